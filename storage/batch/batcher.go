package batch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchfire/watchfire/storage"
)

// Columns are the columns of one table while rows are gathered in them.
type Columns interface {
	Input() proto.Input
	Rows() int
	Size() int // bytes, roughly; called after every Add, so it must be cheap
	Reset()    // empties the columns and keeps their memory
}

// Sink stores blocks durably: the client, or the spool in front of it. Insert
// must not keep b.Native after it returns.
type Sink interface {
	Insert(ctx context.Context, b storage.Block) error
}

// Batcher gathers the rows of one table. Its methods are safe for concurrent
// use. Nothing is inserted before Run runs.
type Batcher[C Columns] struct {
	cfg     Config
	table   string
	sink    Sink
	log     *slog.Logger
	metrics metrics
	columns sync.Pool     // of empty C; the collector takes what an idle table had
	wake    chan struct{} // holds one token when next is worth asking again

	mu       sync.Mutex
	closed   bool
	open     *rows[C]      // takes rows; nil or not empty, except within Add
	full     []*rows[C]    // closed batches that wait for a slot, oldest first
	pending  int           // bytes in open, full and being inserted
	inserts  int           // slots in use
	restTill time.Time     // until then Duty holds small batches back
	space    chan struct{} // closed and replaced when pending falls
}

// rows is one batch from its first row to its encoding.
type rows[C Columns] struct {
	cols   C
	size   int
	opened time.Time
	commit *commit
}

// New returns a Batcher of table, that makes its columns with newColumns and
// needs Run to insert them. A nil reg registers no metrics.
func New[C Columns](cfg Config, table string, newColumns func() C, sink Sink, reg prometheus.Registerer, log *slog.Logger) *Batcher[C] {
	return &Batcher[C]{
		cfg:     cfg,
		table:   table,
		sink:    sink,
		log:     log.With("table", table),
		metrics: newMetrics(reg, table),
		columns: sync.Pool{New: func() any { return newColumns() }},
		wake:    make(chan struct{}, 1),
		space:   make(chan struct{}),
	}
}

// Write adds rows and waits until they are stored durably.
func (b *Batcher[C]) Write(ctx context.Context, add func(C)) error {
	t, err := b.Add(ctx, add)
	if err != nil {
		return err
	}
	return t.Wait(ctx)
}

// Add has add append rows to the open batch, and returns a Ticket of them. It
// blocks while MaxPendingBytes is reached; when ctx ends before there is room
// the error matches ErrFull, after the end of Run it is ErrClosed.
//
// add is called under the batch's lock: it must be quick, append whole rows
// and not keep the columns. If it panics, columns may be left with half a row,
// so the open batch is thrown away and all who added to it get an error: none
// of their rows was acknowledged, they are to send again. The panic goes on to
// the caller.
func (b *Batcher[C]) Add(ctx context.Context, add func(C)) (Ticket, error) {
	if err := ctx.Err(); err != nil {
		return Ticket{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.waitForSpaceLocked(ctx); err != nil {
		return Ticket{}, err
	}
	return b.addLocked(add), nil
}

func (b *Batcher[C]) waitForSpaceLocked(ctx context.Context) error {
	for blocked := false; ; blocked = true {
		switch {
		case b.closed:
			return ErrClosed
		case b.pending < b.cfg.MaxPendingBytes:
			return nil
		case !blocked:
			b.metrics.blocked.Inc()
		}
		space := b.space
		b.mu.Unlock()
		var err error
		select {
		case <-space:
		case <-ctx.Done():
			err = ctx.Err()
		}
		b.mu.Lock()
		if err != nil {
			return &FullError{What: "batches of table " + b.table, Knob: "max_pending_bytes", Limit: int64(b.cfg.MaxPendingBytes), Cause: err}
		}
	}
}

func (b *Batcher[C]) addLocked(add func(C)) Ticket {
	if b.open == nil {
		b.open = &rows[C]{cols: b.columns.Get().(C), commit: newCommit()}
	}
	o := b.open
	before, ok := o.cols.Rows(), false
	defer func() {
		if !ok {
			b.abandonOpenLocked()
		}
	}()
	add(o.cols)
	after := o.cols.Rows()
	ok = true

	if after == before {
		if after == 0 {
			b.open = nil
			b.reuse(o.cols)
		}
		return Ticket{}
	}
	size := o.cols.Size()
	b.pendLocked(size - o.size)
	o.size = size
	if before == 0 {
		o.opened = time.Now()
		b.signal()
	}
	if after >= b.cfg.MaxRows || size >= b.cfg.MaxBytes {
		b.full = append(b.full, o)
		b.open = nil
		b.signal()
	} else if b.pending >= b.cfg.MaxPendingBytes {
		b.signal()
	}
	return Ticket{o.commit}
}

var errPanicked = errors.New("another write to the same batch panicked")

func (b *Batcher[C]) abandonOpenLocked() {
	o := b.open
	b.open = nil
	b.metrics.failedRows.WithLabelValues("panic").Add(float64(o.cols.Rows()))
	o.commit.finish(&InsertError{Table: b.table, Rows: o.cols.Rows(), Err: errPanicked})
	b.releaseLocked(o.size)
}

// reuse keeps the columns' memory for later batches.
func (b *Batcher[C]) reuse(c C) {
	c.Reset()
	b.columns.Put(c)
}

func (b *Batcher[C]) pendLocked(bytes int) {
	b.pending += bytes
	b.metrics.pending.Add(float64(bytes))
}

func (b *Batcher[C]) releaseLocked(bytes int) {
	b.pendLocked(-bytes)
	close(b.space)
	b.space = make(chan struct{})
}

func (b *Batcher[C]) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}
