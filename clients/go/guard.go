package latchkey

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	latchkeyv1 "github.com/latchkey/latchkey/clients/go/latchkey/v1"
)

// Guard passes only those requests to a handler that Latchkey allows.
type Guard struct {
	Checker *Checker
	// Profile to decide by, instead of the profile of the credential's tenant.
	Profile string
	// OnOutage is FailClosed by default.
	OnOutage OnOutage
	// Customize adds to a CheckRequest what the request does not say: a resource, an address, scopes. It may be nil.
	Customize func(*http.Request, *latchkeyv1.CheckRequest)
}

var credentialHeaders = []string{"Authorization", "X-Api-Key"}

// Wrap returns a handler that is protected by the guard.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := pathOf(r)
		credential, single := takeCredential(r.Header)
		if path == "" {
			refuse(w, http.StatusForbidden, "ROUTE_NOT_ALLOWED", 0)
			return
		}
		if !single {
			refuse(w, http.StatusUnauthorized, "AMBIGUOUS_CREDENTIAL", 0)
			return
		}
		check := &latchkeyv1.CheckRequest{
			Credential: credential, Profile: g.Profile, Method: r.Method, Path: path, RequestId: requestID(r.Header),
		}
		if g.Customize != nil {
			g.Customize(r, check)
		}
		if !finish(check) {
			refuse(w, http.StatusForbidden, "ROUTE_NOT_ALLOWED", 0)
			return
		}
		response, err := g.Checker.decide(r.Context(), check)
		switch {
		case err != nil && g.OnOutage.admits(err):
			next.ServeHTTP(w, r.WithContext(withPrincipal(r.Context(), nil)))
		case err != nil:
			refuse(w, http.StatusServiceUnavailable, "UNAVAILABLE", 0)
		case response.GetDecision() != latchkeyv1.Decision_DECISION_ALLOW:
			status := statusOf(response.GetReason())
			if status == http.StatusMethodNotAllowed {
				w.Header().Set("Allow", strings.Join(response.GetAllowedMethods(), ", "))
			}
			refuse(w, status, strings.TrimPrefix(response.GetReason().String(), "REASON_"), retryAfter(response))
		default:
			next.ServeHTTP(w, r.WithContext(withPrincipal(r.Context(), response.GetPrincipal())))
		}
	})
}

// pathOf returns the path as the client sent it, or an empty text for one that no route can have, such as that of CONNECT. It reads
// the request's target alone: handlers in front, such as http.StripPrefix, change the URL. A request without a target, which no
// server of net/http makes, has no path.
func pathOf(r *http.Request) string {
	target, _, _ := strings.Cut(r.RequestURI, "?")
	scheme, rest, absolute := strings.Cut(target, "://")
	if absolute && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		// The authority ends at the first slash.
		_, path, _ := strings.Cut(rest, "/")
		target = "/" + path
	}
	if r.Method == http.MethodConnect || !strings.HasPrefix(target, "/") || !utf8.ValidString(target) {
		return ""
	}
	return target
}

// finish completes a Check that Customize may have changed: one about scopes alone has no path. It returns false for any other
// one without a path.
func finish(check *latchkeyv1.CheckRequest) bool {
	if check.GetScopesOnly() {
		check.Path = ""
		return true
	}
	return check.GetPath() != ""
}

// requestID returns the identifier that the client sent if it is the only one and a Check can carry it; the server makes one
// otherwise.
func requestID(header http.Header) string {
	ids := header.Values("X-Request-Id")
	if len(ids) != 1 || len(ids[0]) > 128 || strings.Contains(ids[0], " ") || !printable(ids[0]) {
		return ""
	}
	return ids[0]
}

// takeCredential removes all credentials from headers, and returns false for two different ones or an unreadable one.
func takeCredential(header http.Header) (string, bool) {
	found, single := "", true
	for _, name := range credentialHeaders {
		for _, value := range header.Values(name) {
			value, readable := valueOf(name, value)
			single = single && readable && printable(value) && (found == "" || value == "" || value == found)
			if value != "" {
				found = value
			}
		}
		header.Del(name)
	}
	return found, single
}

// valueOf returns the credential in the value of a header: an empty text if it has none, as an Authorization of another
// scheme than Bearer, and false if a Bearer credential may hide behind another scheme.
func valueOf(name, value string) (string, bool) {
	value = strings.TrimSpace(value)
	scheme, rest, _ := strings.Cut(value, " ")
	if strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(rest), true
	}
	if name != "Authorization" || rest == "" {
		return value, true
	}
	for _, part := range strings.Split(value, ",") {
		if words := strings.Fields(part); len(words) > 0 && strings.EqualFold(words[0], "bearer") {
			return "", false
		}
	}
	return "", true
}

func printable(value string) bool {
	for i := 0; i < len(value); i++ {
		if value[i] < 0x20 || value[i] > 0x7e {
			return false
		}
	}
	return true
}

func statusOf(reason latchkeyv1.Reason) int {
	switch reason {
	case latchkeyv1.Reason_REASON_MISSING_CREDENTIAL, latchkeyv1.Reason_REASON_AMBIGUOUS_CREDENTIAL,
		latchkeyv1.Reason_REASON_INVALID_CREDENTIAL, latchkeyv1.Reason_REASON_REVOKED, latchkeyv1.Reason_REASON_EXPIRED,
		latchkeyv1.Reason_REASON_DISABLED, latchkeyv1.Reason_REASON_TENANT_REQUIRED,
		latchkeyv1.Reason_REASON_ENVIRONMENT_MISMATCH:
		return http.StatusUnauthorized
	case latchkeyv1.Reason_REASON_RATE_LIMITED:
		return http.StatusTooManyRequests
	case latchkeyv1.Reason_REASON_MALFORMED_REQUEST:
		return http.StatusBadRequest
	case latchkeyv1.Reason_REASON_ROUTE_NOT_FOUND:
		return http.StatusNotFound
	case latchkeyv1.Reason_REASON_METHOD_NOT_ALLOWED:
		return http.StatusMethodNotAllowed
	default:
		return http.StatusForbidden
	}
}

func retryAfter(response *latchkeyv1.CheckResponse) uint32 {
	var seconds uint32
	for _, limit := range response.GetRateLimits() {
		// No wait helps a call that a bucket can never hold.
		if limit.GetNever() {
			return 0
		}
		seconds = max(seconds, limit.GetRetryAfterSeconds())
	}
	return seconds
}

func refuse(w http.ResponseWriter, status int, reason string, retryAfter uint32) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatUint(uint64(retryAfter), 10))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client may be gone; the status is written already.
	_ = json.NewEncoder(w).Encode(map[string]string{"error": reason})
}
