package logs

import (
	"context"
	"net/http"
	"slices"
	"sort"
	"time"

	"github.com/gorilla/websocket"
	"github.com/grafana/loki/v3/pkg/loghttp"
	legacy "github.com/grafana/loki/v3/pkg/loghttp/legacy"
	"github.com/grafana/loki/v3/pkg/logproto"
	"github.com/grafana/loki/v3/pkg/logql/log"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/grafana/loki/v3/pkg/logqlmodel"
	"github.com/grafana/loki/v3/pkg/util/httpreq"
	"github.com/grafana/loki/v3/pkg/util/marshal"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/server"
)

// Times of a live tail.
const (
	gatherFor = 100 * time.Millisecond // lines are sent together
	pingEvery = 20 * time.Second
	writeWait = 10 * time.Second
)

// maxDroppedShown is how many dropped_entries a message names.
const maxDroppedShown = 10

// follow sends the newest lines of a selector and then those that are written,
// over a websocket, until the client leaves.
func (a *API) follow(w http.ResponseWriter, r *http.Request) error {
	q, err := loghttp.ParseTailQuery(r)
	if err != nil {
		return invalid(err)
	}
	expr, err := syntax.ParseLogSelector(q.Query, true)
	if err != nil {
		return invalid(err)
	}
	delay := time.Duration(q.DelayFor) * time.Second
	if delay > a.tail.cfg.MaxDelay {
		return server.Invalid("delay_for is %s, the limit is %s: logs.tail.max_delay", delay, a.tail.cfg.MaxDelay)
	}
	watcher, leave, err := a.tail.watch(server.Tenant(r.Context()))
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	flags := httpreq.ExtractEncodingFlags(r)
	history, err := a.engine.Exec(httpreq.AddEncodingFlagsToContext(ctx, flags), server.Tenant(ctx), Params{Query: q.Query, Start: q.Start, End: time.Now(), Limit: int(q.Limit)})
	if err != nil {
		return err
	}
	f, err := newFollower(expr, flags)
	if err != nil {
		return invalid(err)
	}
	upgrader := websocket.Upgrader{} // whose CheckOrigin wants the page's host to be ours
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil // the upgrader has answered
	}
	f.conn = conn
	gone := make(chan struct{})
	go func() { // notices that the client leaves, and answers pings
		defer close(gone)
		for {
			if _, _, err := conn.NextReader(); err != nil {
				cancel()
				return
			}
		}
	}()
	f.run(ctx, watcher, history, delay)
	conn.Close()
	<-gone
	return nil
}

// follower turns stored lines into messages.
type follower struct {
	matchers []*labels.Matcher
	pipeline log.Pipeline
	flags    httpreq.EncodingFlags
	conn     *websocket.Conn
	shown    map[shownLine]bool // of the history, which may come again live
	pending  []pendingLine
}

type shownLine struct {
	time         int64
	labels, line string
}

type pendingLine struct {
	due    time.Time
	labels string
	entry  logproto.Entry
}

func newFollower(e syntax.LogSelectorExpr, flags httpreq.EncodingFlags) (*follower, error) {
	p, err := e.Pipeline()
	return &follower{matchers: e.Matchers(), pipeline: p, flags: flags, shown: map[shownLine]bool{}}, err
}

// run sends history and then what watcher gets, until ctx ends or the client
// is gone.
func (f *follower) run(ctx context.Context, w *watcher, history logqlmodel.Result, delay time.Duration) {
	if streams, ok := history.Data.(logqlmodel.Streams); ok {
		if f.sendHistory(streams) != nil {
			return
		}
	}
	gather, ping := time.NewTicker(gatherFor), time.NewTicker(pingEvery)
	defer gather.Stop()
	defer ping.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			deadline := time.Now().Add(time.Second)
			_ = f.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, "the server is stopping"), deadline)
			return
		case push := <-w.pushes:
			f.take(push, time.Now().Add(delay))
		case now := <-gather.C:
			err = f.sendDue(now, w.dropped.Swap(0))
		case <-ping.C:
			err = f.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait))
		}
		if err != nil {
			return
		}
	}
}

// take runs the pipeline over lines that were just stored.
func (f *follower) take(push []tailed, due time.Time) {
	for _, t := range push {
		if !matchesAll(f.matchers, t.labels) {
			continue
		}
		sp := f.pipeline.ForStream(t.labels)
		for _, r := range t.lines {
			line, result, ok := sp.ProcessString(r.time, r.line, r.metadata)
			if !ok {
				continue
			}
			p := pendingLine{due: due, labels: result.String(), entry: logproto.Entry{
				Timestamp: time.Unix(0, r.time), Line: line,
				StructuredMetadata: logproto.FromLabelsToLabelAdapters(result.StructuredMetadata()),
				Parsed:             logproto.FromLabelsToLabelAdapters(result.Parsed()),
			}}
			if f.flags.Has(httpreq.FlagCategorizeLabels) {
				p.labels = result.Stream().String()
			}
			if len(f.shown) == 0 || !f.shown[shownLine{r.time, p.labels, line}] {
				f.pending = append(f.pending, p)
			}
		}
	}
}

func (f *follower) sendHistory(streams logqlmodel.Streams) error {
	for i := range streams {
		slices.Reverse(streams[i].Entries) // the newest came first
		for _, e := range streams[i].Entries {
			f.shown[shownLine{e.Timestamp.UnixNano(), streams[i].Labels, e.Line}] = true
		}
	}
	if len(streams) == 0 {
		return nil
	}
	return f.send(legacy.TailResponse{Streams: streams})
}

// sendDue sends the lines whose delay is over, and tells how many were lost.
func (f *follower) sendDue(now time.Time, dropped int64) error {
	n := sort.Search(len(f.pending), func(i int) bool { return f.pending[i].due.After(now) })
	if n == 0 && dropped == 0 {
		return nil
	}
	due := f.pending[:n]
	sort.SliceStable(due, func(i, j int) bool { return due[i].entry.Timestamp.Before(due[j].entry.Timestamp) })
	var message legacy.TailResponse
	at := map[string]int{}
	for _, p := range due {
		i, ok := at[p.labels]
		if !ok {
			i = len(message.Streams)
			at[p.labels] = i
			message.Streams = append(message.Streams, logproto.Stream{Labels: p.labels})
		}
		message.Streams[i].Entries = append(message.Streams[i].Entries, p.entry)
	}
	for range min(dropped, maxDroppedShown) {
		message.DroppedEntries = append(message.DroppedEntries, legacy.DroppedEntry{Timestamp: now, Labels: "{}"})
	}
	f.pending = append(f.pending[:0], f.pending[n:]...)
	return f.send(message)
}

func (f *follower) send(m legacy.TailResponse) error {
	if err := f.conn.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return err
	}
	return marshal.WriteTailResponseJSON(m, marshal.NewWebsocketJSONWriter(f.conn), f.flags)
}
