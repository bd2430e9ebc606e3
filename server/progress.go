package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// progress ends connections that stand still, without a limit on how long a
// request may last: a slow push goes on as long as it brings bytes, a tail as
// long as its client takes them.
type progress struct {
	stall   time.Duration // the longest pause within a body or an answer
	minRate int64         // bytes per second that a body has to bring on the average, after one stall of grace
}

// wrap puts the deadlines around h.
func (p progress) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		// The deadline that ended the last request of this connection.
		_ = control.SetWriteDeadline(time.Time{}) // recorders in tests have none
		out := &progressWriter{ResponseWriter: w, control: control, stall: p.stall}
		in := &progressBody{ReadCloser: r.Body, control: control, progress: p, begin: time.Now()}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = in
		}
		defer func() {
			if out.hijacked {
				return
			}
			// net/http now flushes, and reads what the handler left of the body.
			_ = control.SetWriteDeadline(time.Now().Add(p.stall))
			if r.Body == in && !in.ended {
				_ = control.SetReadDeadline(p.deadline(in.begin, in.n, time.Now()))
			}
		}()
		h.ServeHTTP(out, r)
	})
}

// deadline is when a body that began at begin and has brought n bytes has to
// have brought more.
func (p progress) deadline(begin time.Time, n int64, now time.Time) time.Time {
	next := now.Add(p.stall)
	if p.minRate <= 0 {
		return next
	}
	average := begin.Add(p.stall + time.Duration(float64(n)/float64(p.minRate)*float64(time.Second)))
	if average.Before(next) {
		return average
	}
	return next
}

type progressBody struct {
	io.ReadCloser
	control  *http.ResponseController
	progress progress
	begin    time.Time
	n        int64
	ended    bool
}

func (b *progressBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(b.progress.deadline(b.begin, b.n, time.Now()))
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	if errors.Is(err, io.EOF) {
		// The handler may now take its time: net/http watches the connection
		// for the client's leaving, which a deadline would feign.
		b.ended = true
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// progressWriter has a deadline only while it writes, for HTTP/2 ends a stream
// whose deadline passes even when nobody waits.
type progressWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	stall    time.Duration
	hijacked bool
}

func (w *progressWriter) Write(b []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.stall))
	n, err := w.ResponseWriter.Write(b)
	_ = w.control.SetWriteDeadline(time.Time{})
	return n, err
}

func (w *progressWriter) Flush() {
	_ = w.control.SetWriteDeadline(time.Now().Add(w.stall))
	_ = w.control.Flush()
	_ = w.control.SetWriteDeadline(time.Time{})
}

func (w *progressWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := w.control.Hijack()
	w.hijacked = err == nil
	return conn, buf, err
}

func (w *progressWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
