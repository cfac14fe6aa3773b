package latchkey

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	latchkeyv1 "github.com/latchkey/latchkey/clients/go/latchkey/v1"
)

// late makes no decision in time.
type late struct{ latchkeyv1.CheckServiceClient }

func (late) Check(context.Context, *latchkeyv1.CheckRequest, ...grpc.CallOption) (*latchkeyv1.CheckResponse, error) {
	return nil, status.Error(codes.DeadlineExceeded, "")
}

func TestACallThatNoCheckCanCarryIsNoOutage(t *testing.T) {
	checker := &Checker{client: late{}, Deadline: time.Minute, MaxAttempts: 1}
	web := &Guard{Checker: checker, OnOutage: FailOpen}
	guarded := web.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for _, c := range []struct {
		method, path, credential string
		status                   int
	}{
		{"GET", "/things", strings.Repeat("k", 8192), 200},
		{"GET", "/things?" + strings.Repeat("q", 9000), "k", 200},
		{"GET", "/things", strings.Repeat("k", 8193), 401},
		{"GET", "/" + strings.Repeat("p", 8192), "k", 400},
		{strings.Repeat("M", 129), "/things", "k", 400},
		// A server of HTTP/2 passes such a method on.
		{"G\xff", "/things", "k", 400},
	} {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodGet, c.path, nil)
		request.Method = c.method
		request.Header.Set("X-Api-Key", c.credential)
		guarded.ServeHTTP(recorder, request)
		if recorder.Code != c.status {
			t.Errorf("%.20q %.20q %.20q: %d, not %d", c.method, c.path, c.credential, recorder.Code, c.status)
		}
	}
	web.Customize = func(_ *http.Request, check *latchkeyv1.CheckRequest) {
		check.Resource = map[string]string{"merchant": strings.Repeat("m", 64<<10)}
	}
	recorder := httptest.NewRecorder()
	guarded.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/things", nil))
	if recorder.Code != http.StatusBadRequest {
		t.Errorf("a long resource: %d", recorder.Code)
	}
	calls := &GRPCGuard{Checker: checker, OnOutage: FailOpen}
	for _, c := range []struct {
		path, credential string
		code             codes.Code
	}{
		{"/things.v1.Things/Get", "k", codes.OK},
		{"/things.v1.Things/Get", strings.Repeat("k", 8193), codes.Unauthenticated},
		// A server with a handler of unknown services passes such paths on.
		{"/things.v1.Things/\xff", "k", codes.InvalidArgument},
		{"/" + strings.Repeat("p", 8192), "k", codes.InvalidArgument},
	} {
		incoming := metadata.NewIncomingContext(context.Background(), metadata.Pairs("x-api-key", c.credential))
		if _, err := calls.authorize(incoming, c.path); status.Code(err) != c.code {
			t.Errorf("%.20q %.20q: %v, not %v", c.path, c.credential, err, c.code)
		}
	}
}
