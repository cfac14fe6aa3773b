package latchkey

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	latchkeyv1 "github.com/latchkey/latchkey/clients/go/latchkey/v1"
)

// given describes the server, in the file that LATCHKEY_CLIENT_TEST names (scripts/clients writes it).
type given struct {
	Target, Closed, Silent, CA, Cert, Key, Caller string
	Lossy, Mute                                   map[string]string
	APIKey                                        string `json:"api_key"`
}

func server(t *testing.T) given {
	file := os.Getenv("LATCHKEY_CLIENT_TEST")
	if file == "" {
		t.Skip("scripts/clients runs this test with a server")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var server given
	if err := json.Unmarshal(text, &server); err != nil {
		t.Fatal(err)
	}
	return server
}

func checker(t *testing.T, target string, security credentials.TransportCredentials, deadline time.Duration) *Checker {
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(security))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	made := NewChecker(connection)
	made.Deadline = deadline
	return made
}

func secure(t *testing.T, server given) credentials.TransportCredentials {
	pair, err := tls.LoadX509KeyPair(server.Cert, server.Key)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(server.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return credentials.NewTLS(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}})
}

// allowed returns a checker that the server takes as a caller of Check.
func allowed(t *testing.T, server given) *Checker {
	return checker(t, server.Target, secure(t, server), 10*time.Second).WithCaller(server.Caller)
}

func TestCheck(t *testing.T) {
	server := server(t)
	checker := allowed(t, server)
	if printed := fmt.Sprintf("%+v %#v", checker, *checker); strings.Contains(printed, server.Caller) {
		t.Error("a printed checker shows the key")
	}
	for method, reason := range map[string]latchkeyv1.Reason{
		"GET": latchkeyv1.Reason_REASON_OK, "POST": latchkeyv1.Reason_REASON_INSUFFICIENT_SCOPE,
	} {
		request := &latchkeyv1.CheckRequest{Credential: server.APIKey, Method: method, Path: "/things"}
		response, err := checker.Check(context.Background(), request)
		if err != nil || response.GetReason() != reason {
			t.Errorf("%s: %v, %v", method, response, err)
		}
	}
}

// ask sends a raw request to a server with the guard.
func ask(t *testing.T, guard *Guard, lines ...string) (int, string) {
	handler := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != "" || r.Header.Get("Authorization") != "" {
			t.Error("the handler sees a credential")
		}
		fmt.Fprint(w, Principal(r.Context()).GetTenantSlug())
	}))
	server := httptest.NewServer(handler)
	defer server.Close()
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprint(connection, strings.Join(append(lines, "Host: things.example", "Connection: close", "", ""), "\r\n"))
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

func TestGuard(t *testing.T) {
	server := server(t)
	guard := &Guard{Checker: allowed(t, server), Profile: "demo"}
	key := "X-Api-Key: " + server.APIKey
	for _, c := range []struct {
		status int
		lines  []string
	}{
		{200, []string{"GET /things?a=1 HTTP/1.1", key}},
		{200, []string{"GET http://things.example/things HTTP/1.1", "Authorization: Bearer " + server.APIKey}},
		{200, []string{"GET /things HTTP/1.1", key, "X-Request-Id: " + strings.Repeat("r", 129)}},
		{401, []string{"GET /things HTTP/1.1"}},
		{401, []string{"GET /things HTTP/1.1", key, "X-Api-Key: other"}},
		{200, []string{"GET /things HTTP/1.1", key, "Authorization: Basic YTpi"}},
		{200, []string{"GET /things HTTP/1.1", key, "Authorization: Bearer"}},
		{401, []string{"GET /things HTTP/1.1", key, "Authorization: Basic YTpi, Bearer other"}},
		{403, []string{"POST /things HTTP/1.1", key}},
		{403, []string{"CONNECT things.example:443 HTTP/1.1", key}},
	} {
		status, body := ask(t, guard, c.lines...)
		if status != c.status || status == 200 && body != "acme" {
			t.Errorf("%q: %d %s", c.lines[0], status, body)
		}
	}
	broken := *guard
	broken.OnOutage = FailOpen
	broken.Customize = func(_ *http.Request, check *latchkeyv1.CheckRequest) {
		check.Scopes = make([]string, 10_000)
		for i := range check.Scopes {
			check.Scopes[i] = strings.Repeat("s", 1000)
		}
	}
	if status, _ := ask(t, &broken, "GET /things HTTP/1.1", key); status == 200 {
		t.Error("an unreadable Check passes")
	}
}

func TestCustomize(t *testing.T) {
	server := server(t)
	for _, c := range []struct {
		status    int
		customize func(*latchkeyv1.CheckRequest)
	}{
		{200, func(check *latchkeyv1.CheckRequest) { check.ScopesOnly, check.Scopes = true, []string{"things.read"} }},
		{403, func(check *latchkeyv1.CheckRequest) { check.ScopesOnly, check.Scopes = true, []string{"things.write"} }},
		{403, func(check *latchkeyv1.CheckRequest) { check.Path = "" }},
		{400, func(check *latchkeyv1.CheckRequest) {
			check.Resource = map[string]string{"r": strings.Repeat("x", 5000)}
		}},
	} {
		guard := &Guard{Checker: allowed(t, server), Profile: "demo"}
		guard.Customize = func(_ *http.Request, check *latchkeyv1.CheckRequest) { c.customize(check) }
		if status, body := ask(t, guard, "GET /things HTTP/1.1", "X-Api-Key: "+server.APIKey); status != c.status {
			t.Errorf("%d %s, not %d", status, body, c.status)
		}
	}
}

func TestAPathWithoutASlashIsDenied(t *testing.T) {
	server := server(t)
	guard := &GRPCGuard{Checker: allowed(t, server), Profile: "demo", OnOutage: FailOpen}
	guard.Customize = func(_ context.Context, _ string, check *latchkeyv1.CheckRequest) {
		check.ScopesOnly, check.Scopes = true, []string{"things.read"}
	}
	incoming := metadata.NewIncomingContext(context.Background(), metadata.Pairs("x-api-key", server.APIKey))
	for method, code := range map[string]codes.Code{"/things.v1.Things/Get": codes.OK, "things.v1.Things/Get": codes.PermissionDenied} {
		if _, err := guard.authorize(incoming, method); status.Code(err) != code {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestGRPCGuard(t *testing.T) {
	server := server(t)
	guard := &GRPCGuard{
		Checker: allowed(t, server), Profile: "demo",
		Customize: func(_ context.Context, _ string, check *latchkeyv1.CheckRequest) {
			check.Method, check.Path = "GET", "/things"
		},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	guarded := grpc.NewServer(grpc.UnaryInterceptor(guard.Unary()), grpc.StreamInterceptor(guard.Stream()))
	healthv1.RegisterHealthServer(guarded, health.NewServer())
	go func() { _ = guarded.Serve(listener) }()
	defer guarded.Stop()
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	client := healthv1.NewHealthClient(connection)
	for key, code := range map[string]codes.Code{server.APIKey: codes.OK, "other": codes.Unauthenticated, "": codes.Unauthenticated} {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "x-api-key", key)
		if _, err := client.Check(ctx, &healthv1.HealthCheckRequest{}); status.Code(err) != code {
			t.Errorf("unary, %q: %v", key, err)
		}
		stream, err := client.Watch(ctx, &healthv1.HealthCheckRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != code {
			t.Errorf("stream, %q: %v", key, err)
		}
	}
}

func TestCompressedCalls(t *testing.T) {
	server := server(t)
	connection, err := grpc.NewClient(server.Target, grpc.WithTransportCredentials(secure(t, server)),
		grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := healthv1.NewHealthClient(connection).Check(context.Background(), &healthv1.HealthCheckRequest{}); err != nil {
		t.Errorf("health: %v", err)
	}
	checker := NewChecker(connection).WithCaller(server.Caller)
	checker.Deadline = 10 * time.Second
	request := &latchkeyv1.CheckRequest{Credential: server.APIKey, Method: "GET", Path: "/things", DryRun: true}
	response, err := checker.Check(context.Background(), request)
	if err != nil || response.GetDecision() != latchkeyv1.Decision_DECISION_ALLOW {
		t.Errorf("Check: %v, %v", response, err)
	}
}
