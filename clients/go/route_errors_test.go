package latchkey

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	latchkeyv1 "github.com/latchkey/latchkey/clients/go/latchkey/v1"
)

// readOnly has one path, which takes GET alone.
type readOnly struct{ latchkeyv1.CheckServiceClient }

func (readOnly) Check(_ context.Context, check *latchkeyv1.CheckRequest, _ ...grpc.CallOption) (*latchkeyv1.CheckResponse, error) {
	if check.GetPath() != "/orders" {
		return &latchkeyv1.CheckResponse{Reason: latchkeyv1.Reason_REASON_ROUTE_NOT_FOUND}, nil
	}
	reason := latchkeyv1.Reason_REASON_METHOD_NOT_ALLOWED
	return &latchkeyv1.CheckResponse{Reason: reason, AllowedMethods: []string{"GET", "HEAD"}}, nil
}

func TestAGuardAnswersACallWithoutARoute(t *testing.T) {
	guard := &Guard{Checker: &Checker{client: readOnly{}, Deadline: time.Minute, MaxAttempts: 1}}
	guarded := guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for _, c := range []struct {
		path   string
		status int
		allow  string
	}{{"/orders", 405, "GET, HEAD"}, {"/nothing", 404, ""}} {
		recorder := httptest.NewRecorder()
		guarded.ServeHTTP(recorder, httptest.NewRequest(http.MethodDelete, c.path, nil))
		if recorder.Code != c.status || recorder.Header().Get("Allow") != c.allow {
			t.Errorf("%s: %d %q", c.path, recorder.Code, recorder.Header().Get("Allow"))
		}
	}
	if code := codeOf(latchkeyv1.Reason_REASON_ROUTE_NOT_FOUND); code != codes.Unimplemented {
		t.Errorf("a call of gRPC gets %s", code)
	}
}
