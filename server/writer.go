package server

import (
	"bufio"
	"net"
	"net/http"
)

// responseWriter knows what was sent. It passes Flush and Hijack on, which
// streams and websockets need, and Unwrap for http.ResponseController.
type responseWriter struct {
	http.ResponseWriter
	status   int // 0 = nothing sent yet
	bytes    int64
	hijacked bool
}

func (w *responseWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // 1xx are sent before the answer
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

func (w *responseWriter) Flush() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush() // http.Flusher returns no error
}

func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.hijacked = true
		w.status = http.StatusSwitchingProtocols
	}
	return conn, buf, err
}

func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
