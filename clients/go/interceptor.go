package latchkey

import (
	"context"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	latchkeyv1 "github.com/latchkey/latchkey/clients/go/latchkey/v1"
)

// GRPCGuard passes only those calls to a gRPC server that Latchkey allows. The path of a call is its full method, such as
// /things.v1.Things/Get, and its method is POST.
type GRPCGuard struct {
	Checker *Checker
	// Profile to decide by, instead of the profile of the credential's tenant.
	Profile string
	// OnOutage is FailClosed by default.
	OnOutage OnOutage
	// Customize adds to a CheckRequest what the call does not say. It may be nil.
	Customize func(ctx context.Context, fullMethod string, check *latchkeyv1.CheckRequest)
}

// Unary returns the interceptor for unary calls.
func (g *GRPCGuard) Unary() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx, err := g.authorize(ctx, info.FullMethod)
		if err != nil {
			return nil, err
		}
		return handler(ctx, request)
	}
}

// Stream returns the interceptor for streams.
func (g *GRPCGuard) Stream() grpc.StreamServerInterceptor {
	return func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		ctx, err := g.authorize(stream.Context(), info.FullMethod)
		if err != nil {
			return err
		}
		return handler(server, &guardedStream{ServerStream: stream, ctx: ctx})
	}
}

type guardedStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *guardedStream) Context() context.Context { return s.ctx }

func (g *GRPCGuard) authorize(ctx context.Context, fullMethod string) (context.Context, error) {
	if !strings.HasPrefix(fullMethod, "/") {
		return nil, status.Error(codes.PermissionDenied, "the call's path does not begin with a slash")
	}
	incoming, _ := metadata.FromIncomingContext(ctx)
	headers := http.Header{}
	remaining := incoming.Copy()
	for _, name := range credentialHeaders {
		for _, value := range incoming.Get(name) {
			headers.Add(name, value)
		}
		remaining.Delete(name)
	}
	credential, single := takeCredential(headers)
	if !single {
		return nil, status.Error(codes.Unauthenticated, "the call has more than one credential or an unreadable one")
	}
	check := &latchkeyv1.CheckRequest{
		Credential: credential, Profile: g.Profile, Method: "POST", Path: fullMethod,
		RequestId: requestID(http.Header{"X-Request-Id": incoming.Get("x-request-id")}),
	}
	if g.Customize != nil {
		g.Customize(ctx, fullMethod, check)
	}
	if !finish(check) {
		return nil, status.Error(codes.PermissionDenied, "the Check has no path")
	}
	response, err := g.Checker.decide(ctx, check)
	// The server's handlers don't see the credential.
	ctx = metadata.NewIncomingContext(ctx, remaining)
	switch {
	case err != nil && g.OnOutage.admits(err):
		return withPrincipal(ctx, nil), nil
	case err != nil:
		return nil, status.Error(codes.Unavailable, "authorization is not available")
	case response.GetDecision() != latchkeyv1.Decision_DECISION_ALLOW:
		return nil, status.Error(codeOf(response.GetReason()), response.GetMessage())
	default:
		return withPrincipal(ctx, response.GetPrincipal()), nil
	}
}

func codeOf(reason latchkeyv1.Reason) codes.Code {
	switch statusOf(reason) {
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return codes.Unimplemented
	default:
		return codes.PermissionDenied
	}
}
