package latchkey

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	latchkeyv1 "github.com/latchkey/latchkey/clients/go/latchkey/v1"
)

// publicHealth allows every call of /healthz, and nothing else.
type publicHealth struct{ latchkeyv1.CheckServiceClient }

func (publicHealth) Check(_ context.Context, check *latchkeyv1.CheckRequest, _ ...grpc.CallOption) (*latchkeyv1.CheckResponse, error) {
	if check.GetPath() == "/healthz" {
		return &latchkeyv1.CheckResponse{Decision: latchkeyv1.Decision_DECISION_ALLOW}, nil
	}
	return &latchkeyv1.CheckResponse{Reason: latchkeyv1.Reason_REASON_MISSING_CREDENTIAL}, nil
}

// recorder allows every call, and keeps its Check.
type recorder struct {
	latchkeyv1.CheckServiceClient
	asked *latchkeyv1.CheckRequest
}

func (r *recorder) Check(_ context.Context, check *latchkeyv1.CheckRequest, _ ...grpc.CallOption) (*latchkeyv1.CheckResponse, error) {
	r.asked = check
	return &latchkeyv1.CheckResponse{Decision: latchkeyv1.Decision_DECISION_ALLOW}, nil
}

func TestBothGuardsSendTheOnlyIdentifierOfACall(t *testing.T) {
	recorder := &recorder{}
	checker := &Checker{client: recorder, Deadline: time.Minute, MaxAttempts: 1}
	web := (&Guard{Checker: checker}).Wrap(http.NotFoundHandler())
	calls := &GRPCGuard{Checker: checker}
	for _, c := range []struct {
		sent []string
		id   string
	}{{nil, ""}, {[]string{"r-1"}, "r-1"}, {[]string{"r-1", "r-2"}, ""}, {[]string{"a b"}, ""}} {
		request := httptest.NewRequest(http.MethodGet, "/things", nil)
		incoming := metadata.MD{}
		for _, id := range c.sent {
			request.Header.Add("X-Request-Id", id)
			incoming.Append("x-request-id", id)
		}
		web.ServeHTTP(httptest.NewRecorder(), request)
		if found := recorder.asked.GetRequestId(); found != c.id {
			t.Errorf("net/http, %q: %q", c.sent, found)
		}
		if _, err := calls.authorize(metadata.NewIncomingContext(context.Background(), incoming), "/things.v1.Things/Get"); err != nil {
			t.Error(err)
		}
		if found := recorder.asked.GetRequestId(); found != c.id {
			t.Errorf("gRPC, %q: %q", c.sent, found)
		}
	}
}

// statusFor returns the status of a raw request.
func statusFor(t *testing.T, address, target string) int {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", target)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

func TestAGuardBehindStripPrefixJudgesThePathOfTheTarget(t *testing.T) {
	guard := &Guard{Checker: &Checker{client: publicHealth{}, Deadline: time.Minute, MaxAttempts: 1}}
	guarded := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	mux := http.NewServeMux()
	mux.Handle("/admin/", http.StripPrefix("/admin", guarded))
	mux.Handle("/healthz", guarded)
	server := httptest.NewServer(mux)
	defer server.Close()
	for target, expected := range map[string]int{
		"/healthz": 200, "http://h/healthz": 200, "HTTPS://h/healthz?a=/b": 200,
		"/admin/healthz": 401, "/admin/healthz?a": 401,
		"http://h/admin/healthz": 401, "http://h/admin/healthz?a": 401, "hTTp://u@h:1/admin/healthz": 401,
		"http:/admin/healthz": 403, "ftp://h/admin/healthz": 403, "x:///admin/healthz": 403, "/admin/\xff/healthz": 403,
	} {
		if found := statusFor(t, server.Listener.Addr().String(), target); found != expected {
			t.Errorf("%q: %d, not %d", target, found, expected)
		}
	}
}

func TestTheTargetAloneHasThePath(t *testing.T) {
	for target, path := range map[string]string{
		"/a/b?c": "/a/b", "/caf\u00e9": "/caf\u00e9", "//h/a": "//h/a", "/a://b": "/a://b", "/http://h/a": "/http://h/a",
		"http://h": "/", "http://h?a=/b": "/", "http://h/": "/", "http://h//a": "//a", "https://h/a%2fb": "/a%2fb",
		"": "", "*": "", "h:443": "", "http:a": "", "ws://h/a": "", "/\xff": "",
	} {
		request := httptest.NewRequest(http.MethodGet, "/changed", nil)
		request.RequestURI = target
		if found := pathOf(request); found != path {
			t.Errorf("%q: %q, not %q", target, found, path)
		}
	}
	request := httptest.NewRequest(http.MethodGet, "/a", nil)
	request.Method = http.MethodConnect
	if found := pathOf(request); found != "" {
		t.Errorf("CONNECT: %q", found)
	}
}
