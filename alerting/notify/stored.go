package notify

import (
	"bytes"
	"net/http"
	"strings"
)

// stored answers a change of silences only when it is saved: an on-call
// engineer who was told that the pager is silent must not be woken by it after
// a crash.
func (s *stack) stored(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || !strings.HasPrefix(r.URL.Path, "/api/v2/silence") {
			next.ServeHTTP(w, r)
			return
		}
		held := &heldResponse{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(held, r)
		if held.status < 300 {
			s.saving.Lock()
			err := s.silencesSaver.save(r.Context())
			s.saving.Unlock()
			if err != nil {
				s.log.Error("a silence was not saved", "error", err)
				w.Header().Set("Retry-After", "5")
				http.Error(w, "the silence could not be saved and may be lost in a restart: send it again", http.StatusServiceUnavailable)
				return
			}
		}
		held.release(w)
	})
}

// heldResponse keeps a small response until it may be sent.
type heldResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (h *heldResponse) Header() http.Header { return h.header }

// WriteHeader implements http.ResponseWriter.
func (h *heldResponse) WriteHeader(status int) { h.status = status }

// Write implements http.ResponseWriter.
func (h *heldResponse) Write(b []byte) (int, error) { return h.body.Write(b) }

func (h *heldResponse) release(w http.ResponseWriter) {
	for k, v := range h.header {
		w.Header()[k] = v
	}
	w.WriteHeader(h.status)
	w.Write(h.body.Bytes()) //nolint:errcheck // the client is gone
}
