package batch

import "context"

// commit is the fate of one batch, shared by all who added to it. err is
// written before done is closed.
type commit struct {
	done chan struct{}
	err  error
}

func newCommit() *commit { return &commit{done: make(chan struct{})} }

func (c *commit) finish(err error) {
	c.err = err
	close(c.done)
}

// Ticket stands for rows that were added and may not be stored yet. The zero
// Ticket is of no rows, and done.
type Ticket struct{ commit *commit }

// Wait blocks until the rows are stored durably (nil), can't be stored (an
// error that knows its HTTP status), or ctx ends; then they may still get
// stored.
func (t Ticket) Wait(ctx context.Context) error {
	if t.commit == nil {
		return nil
	}
	select {
	case <-t.commit.done:
		return t.commit.err
	default:
	}
	select {
	case <-t.commit.done:
		return t.commit.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
