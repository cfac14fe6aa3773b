// Package latchkey is a client of Latchkey: Checks within one deadline for all attempts, and guards for net/http and for gRPC
// servers. The messages and services of the contract are in the package latchkeyv1.
package latchkey

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	latchkeyv1 "github.com/latchkey/latchkey/clients/go/latchkey/v1"
)

// Pause before the second attempt; the pause before attempt n + 1 is n times as long.
const pause = 10 * time.Millisecond

// Connect returns a connection for NewChecker and for the services of latchkeyv1; it is made by the first call. Unlike that of
// grpc.NewClient, it is replaced after 15 seconds if it was lost without a word, and is back within about a second after an
// outage, where the pause between two attempts grows to two minutes by default. Options given here win.
func Connect(target string, security credentials.TransportCredentials, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	pauses := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}
	all := []grpc.DialOption{
		grpc.WithTransportCredentials(security),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: pauses, MinConnectTimeout: 2 * time.Second}),
	}
	return grpc.NewClient(target, append(all, options...)...)
}

// Checker sends Checks. It may be used by many goroutines.
type Checker struct {
	client latchkeyv1.CheckServiceClient
	// Deadline is the longest duration of a Check, including all attempts. NewChecker sets 200 ms.
	Deadline time.Duration
	// MaxAttempts is the largest number of attempts. NewChecker sets 3. An attempt whose response was lost may have been
	// charged, so that a retry can charge the rate limits twice; 1 turns retries off.
	MaxAttempts int
	// A function, so that a printed Checker does not show the key.
	addCaller func(context.Context) context.Context
}

// NewChecker returns a checker that uses a connection: Connect("latchkey.example.com:50051", credentials.NewTLS(config)).
func NewChecker(connection grpc.ClientConnInterface) *Checker {
	return &Checker{client: latchkeyv1.NewCheckServiceClient(connection), Deadline: 200 * time.Millisecond, MaxAttempts: 3}
}

// WithCaller returns a copy that sends a key of the caller with each Check, for a server whose check_auth is "key": one of its
// check_keys.
func (c *Checker) WithCaller(key string) *Checker {
	changed := *c
	changed.addCaller = func(ctx context.Context) context.Context {
		return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
	}
	return &changed
}

// Check returns the decision, which is a permit or a denial. An error means that there is no decision; treat it as an outage, not
// as a denial. Only Unavailable is retried.
func (c *Checker) Check(ctx context.Context, request *latchkeyv1.CheckRequest) (*latchkeyv1.CheckResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Deadline)
	defer cancel()
	if c.addCaller != nil {
		ctx = c.addCaller(ctx)
	}
	for attempt := 1; ; attempt++ {
		response, err := c.client.Check(ctx, request)
		if err == nil || status.Code(err) != codes.Unavailable || attempt >= c.MaxAttempts {
			return response, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(time.Duration(attempt) * pause):
		}
	}
}

// decide returns the decision for a guard. Its deadline is the Checker's alone: the deadline of a gRPC call is the client's
// choice, and with a very short one every Check would look like an outage.
func (c *Checker) decide(ctx context.Context, request *latchkeyv1.CheckRequest) (*latchkeyv1.CheckResponse, error) {
	if denied := unreadable(request); denied != nil {
		return denied, nil
	}
	return c.Check(context.WithoutCancel(ctx), request)
}

// Longest values that a Check takes, in bytes.
const (
	maxCredential = 8 << 10
	maxPath       = 8 << 10
	maxMethod     = 128
)

// Longest Check that a guard sends, in bytes: Customize may take further values from the request.
const maxCheck = 64 << 10

// unreadable returns the denial of a Check that is not sent, because a value is no text, or longer than a server takes, or because all
// values together are too long: the transport could exceed the deadline, which is a sign of an outage.
func unreadable(request *latchkeyv1.CheckRequest) *latchkeyv1.CheckResponse {
	path, _, _ := strings.Cut(request.GetPath(), "?")
	reason, message := latchkeyv1.Reason_REASON_UNSPECIFIED, ""
	switch {
	case len(path) > maxPath || len(request.GetMethod()) > maxMethod:
		reason, message = latchkeyv1.Reason_REASON_MALFORMED_REQUEST, "The path or the method of the request is too long."
	case !utf8.ValidString(request.GetPath()) || !utf8.ValidString(request.GetMethod()):
		reason, message = latchkeyv1.Reason_REASON_MALFORMED_REQUEST, "The path or the method of the request is no text."
	case len(request.GetCredential()) > maxCredential:
		reason, message = latchkeyv1.Reason_REASON_INVALID_CREDENTIAL, "The credential is not valid."
	case proto.Size(request) > maxCheck:
		reason, message = latchkeyv1.Reason_REASON_MALFORMED_REQUEST, "The values of the request are too long."
	default:
		return nil
	}
	return &latchkeyv1.CheckResponse{Decision: latchkeyv1.Decision_DECISION_DENY, Reason: reason, Message: message}
}

// OnOutage is the handling of a call for which Latchkey can't be reached in time.
type OnOutage int

const (
	// FailClosed rejects the call: 503, or the gRPC code Unavailable.
	FailClosed OnOutage = iota
	// FailOpen passes the call on without a principal. An attacker who can make Latchkey unavailable is then allowed everything.
	FailOpen
)

// admits returns whether a call passes without a decision. Every error but an outage is one of this client, and admits nothing.
func (o OnOutage) admits(err error) bool {
	code := status.Code(err)
	return o == FailOpen && (code == codes.Unavailable || code == codes.DeadlineExceeded)
}

type principalKey struct{}

// Principal returns the caller of an allowed call; nil on a public route.
func Principal(ctx context.Context) *latchkeyv1.Principal {
	principal, _ := ctx.Value(principalKey{}).(*latchkeyv1.Principal)
	return principal
}

func withPrincipal(ctx context.Context, principal *latchkeyv1.Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, principal)
}
