package server

import (
	"context"
	"errors"
	"net/http"
)

// Gate knows callers: it verifies what they show and decides what they may.
type Gate struct {
	policy policy
	verify verifier
}

// verifier checks credentials: the effectful half of knowing a caller.
type verifier interface {
	// verify sets Credential, Verified and Refused of f from an Authorization
	// header ("" = none) and a verified client certificate's subject ("" = none).
	verify(ctx context.Context, f *facts, authorization, subject string)
}

// loopbackGate knows clients on this machine and nobody else.
func loopbackGate() *Gate { return &Gate{policy: policy{trustLoopback: true}} }

// admit says who sent r and for which tenant, or why it is turned away.
func (g *Gate) admit(r *http.Request, a Access) (Identity, string, error) {
	f := requestFacts(r, a)
	g.verifyInto(r.Context(), &f, r.Header.Get("Authorization"), subjectOf(r.TLS))
	return decide(f, g.policy)
}

func (g *Gate) verifyInto(ctx context.Context, f *facts, authorization, subject string) {
	if f.Access == Public || authorization == "" && subject == "" {
		return
	}
	if g.verify == nil {
		f.Credential, f.Refused = MethodToken, Unauthorized("credentials were sent, but no users or tokens are configured: leave them out, or set server.access")
		return
	}
	g.verify.verify(ctx, f, authorization, subject)
}

// challenge tells a browser to ask for user and password, when err is that the
// caller is unknown.
func challenge(w http.ResponseWriter, err error, g *Gate) {
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusUnauthorized {
		return
	}
	w.Header().Add("WWW-Authenticate", `Bearer realm="watchfire"`)
}
