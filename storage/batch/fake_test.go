package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/storage"
)

// numbers are the columns of a table with one number and one text.
type numbers struct {
	n proto.ColUInt64
	s proto.ColStr
}

func newNumbers() *numbers { return new(numbers) }

func (c *numbers) Input() proto.Input {
	return proto.Input{{Name: "n", Data: &c.n}, {Name: "s", Data: &c.s}}
}
func (c *numbers) Rows() int { return c.n.Rows() }
func (c *numbers) Size() int { return 8*len(c.n) + len(c.s.Buf) + 16*len(c.s.Pos) }
func (c *numbers) Reset()    { c.n.Reset(); c.s.Reset() }

func (c *numbers) add(n uint64) { c.n.Append(n); c.s.Append("text") }

func adds(ns ...uint64) func(*numbers) {
	return func(c *numbers) {
		for _, n := range ns {
			c.add(n)
		}
	}
}

func block(t testing.TB, table, token string, ns ...uint64) storage.Block {
	t.Helper()
	c := newNumbers()
	adds(ns...)(c)
	b, err := storage.NewBlock(table, token, c.Rows(), c.Input())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decode gives the numbers of a block back.
func decode(b storage.Block) ([]uint64, error) {
	var c numbers
	var blk proto.Block
	r := proto.NewReader(bytes.NewReader(b.Native))
	err := blk.DecodeRawBlock(r, 0, proto.Results{{Name: "n", Data: &c.n}, {Name: "s", Data: &c.s}})
	if err == nil && blk.Rows != b.Rows {
		err = errors.New("rows of block and of its encoding differ")
	}
	return c.n, err
}

var (
	errPermanent   = &storage.Error{Code: 53, Name: "TYPE_MISMATCH", Message: "not a number"}
	errUnavailable = fmt.Errorf("connection refused: %w", storage.ErrUnavailable)
)

// fakeSink deduplicates by token, as ClickHouse does.
type fakeSink struct {
	insert func(ctx context.Context, b storage.Block) error // asked before storing; nil stores

	mu     sync.Mutex
	tokens map[string]bool
	blocks [][]uint64
	tries  int
	busy   int
	most   int // the highest number of inserts at once
}

func (s *fakeSink) Insert(ctx context.Context, b storage.Block) error {
	s.mu.Lock()
	s.tries++
	s.busy++
	s.most = max(s.most, s.busy)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.busy--
		s.mu.Unlock()
	}()
	if s.insert != nil {
		if err := s.insert(ctx, b); err != nil {
			return err
		}
	}
	ns, err := decode(b)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil {
		s.tokens = map[string]bool{}
	}
	if s.tokens[b.Token] {
		return nil
	}
	s.tokens[b.Token] = true
	s.blocks = append(s.blocks, ns)
	return nil
}

// stored counts how often each number is stored.
func (s *fakeSink) stored() map[uint64]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := map[uint64]int{}
	for _, b := range s.blocks {
		for _, n := range b {
			m[n]++
		}
	}
	return m
}

func (s *fakeSink) sizes() (sizes []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.blocks {
		sizes = append(sizes, len(b))
	}
	return sizes
}
