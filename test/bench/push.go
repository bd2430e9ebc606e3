package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// pusher sends bodies as well-behaved senders do: several at once, each until
// it is acknowledged, with the pause that a busy server asks for.
type pusher struct {
	url     string
	header  map[string]string
	workers int
	client  *http.Client

	mu      sync.Mutex
	delays  []time.Duration // until each acknowledgement
	retries atomic.Int64
}

func newPusher(url string, workers int, header map[string]string) *pusher {
	transport := &http.Transport{MaxIdleConnsPerHost: workers, DisableCompression: true}
	return &pusher{url: url, header: header, workers: max(workers, 1), client: &http.Client{Transport: transport, Timeout: time.Minute}}
}

// remoteWriter pushes remote-write 1.0 bodies.
func remoteWriter(s *side, workers int) *pusher {
	return newPusher(s.remoteWrite(), workers, map[string]string{
		"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0",
	})
}

// close drops idle connections.
func (p *pusher) close() { p.client.CloseIdleConnections() }

// all sends the bodies and returns when every one is acknowledged, or at the
// first that never will be.
func (p *pusher) all(ctx context.Context, bodies [][]byte) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(p.workers, len(bodies)) {
		running.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(bodies) {
					return
				}
				if err := p.send(ctx, bodies[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// lanes sends several lists of bodies at once, each in its order, as the shards
// of a remote-write sender do.
func (p *pusher) lanes(ctx context.Context, lanes [][][]byte) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for _, bodies := range lanes {
		running.Go(func() {
			for _, body := range bodies {
				if err := p.send(ctx, body); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// send pushes one body until it is acknowledged.
func (p *pusher) send(ctx context.Context, body []byte) error {
	const attempts = 50
	begun := time.Now()
	for n := 1; ; n++ {
		status, text, pause, err := p.post(ctx, body)
		if err != nil {
			return fmt.Errorf("push to %s: %w", p.url, err)
		}
		if status/100 == 2 {
			p.mu.Lock()
			p.delays = append(p.delays, time.Since(begun))
			p.mu.Unlock()
			return nil
		}
		if (status != http.StatusTooManyRequests && status/100 != 5) || n == attempts {
			return fmt.Errorf("push to %s: status %d: %s", p.url, status, text)
		}
		p.retries.Add(1)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (p *pusher) post(ctx context.Context, body []byte) (status int, text string, pause time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return 0, "", 0, err
	}
	for k, v := range p.header {
		req.Header.Set(k, v)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, "", 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return resp.StatusCode, string(b), max(time.Duration(seconds)*time.Second, 100*time.Millisecond), err
}

// delay is the given quantile of the times until acknowledgement.
func (p *pusher) delay(quantile float64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.delays) == 0 {
		return 0
	}
	slices.Sort(p.delays)
	return p.delays[int(quantile*float64(len(p.delays)-1))]
}
