package latchkey

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	latchkeyv1 "github.com/latchkey/latchkey/clients/go/latchkey/v1"
)

func TestOutage(t *testing.T) {
	server := server(t)
	for _, target := range []string{server.Closed, server.Silent} {
		guard := &Guard{Checker: checker(t, target, insecure.NewCredentials(), 400*time.Millisecond)}
		if status, _ := ask(t, guard, "GET /things HTTP/1.1"); status != 503 {
			t.Errorf("%s: %d", target, status)
		}
		guard.OnOutage = FailOpen
		if status, body := ask(t, guard, "GET /things HTTP/1.1"); status != 200 || body != "" {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
}

func TestAConnectionThatIsLostWithoutAWordIsReplaced(t *testing.T) {
	server := server(t)
	become(t, server, server.Lossy["go"], true, false, true)
}

func TestAnAttemptToConnectThatIsNotAnsweredIsGivenUp(t *testing.T) {
	server := server(t)
	become(t, server, server.Mute["go"], false, true)
}

// become asserts that Checks by a port succeed or fail as wanted, one after the other.
func become(t *testing.T, server given, port string, expected ...bool) {
	connection, err := Connect(port, secure(t, server))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	checker := NewChecker(connection).WithCaller(server.Caller)
	checker.Deadline = time.Second
	request := &latchkeyv1.CheckRequest{Credential: server.APIKey, Method: "GET", Path: "/things", DryRun: true}
	for _, wanted := range expected {
		for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			_, err := checker.Check(context.Background(), request)
			if code := status.Code(err); err != nil && code != codes.DeadlineExceeded && code != codes.Unavailable {
				t.Fatal(err)
			}
			if (err == nil) == wanted {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("no %v: %v", wanted, err)
			}
		}
	}
}

func TestACallerThatTheServerRejectsAdmitsNothing(t *testing.T) {
	server := server(t)
	guard := &Guard{Checker: checker(t, server.Target, secure(t, server), 10*time.Second), OnOutage: FailOpen}
	if status, _ := ask(t, guard, "GET /things HTTP/1.1", "X-Api-Key: "+server.APIKey); status != 503 {
		t.Error(status)
	}
}

func TestADeadlineOfTheClientIsNoOutage(t *testing.T) {
	server := server(t)
	guard := &GRPCGuard{Checker: allowed(t, server), Profile: "demo", OnOutage: FailOpen}
	incoming := metadata.NewIncomingContext(context.Background(), metadata.Pairs("x-api-key", "other"))
	short, cancel := context.WithTimeout(incoming, 0)
	defer cancel()
	if _, err := guard.authorize(short, "/things.v1.Things/Get"); status.Code(err) != codes.Unauthenticated {
		t.Errorf("gRPC: %v", err)
	}
	web := &Guard{Checker: guard.Checker, Profile: "demo", OnOutage: FailOpen}
	recorder := httptest.NewRecorder()
	request := httptest.NewRequest("GET", "/things", nil).WithContext(short)
	web.Wrap(http.NotFoundHandler()).ServeHTTP(recorder, request)
	if recorder.Code != http.StatusUnauthorized {
		t.Errorf("net/http: %d", recorder.Code)
	}
}
