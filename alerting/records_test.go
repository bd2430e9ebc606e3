package alerting

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
	"github.com/watchfire/watchfire/alerting/eval"
	"github.com/watchfire/watchfire/alerting/notify"
	"github.com/watchfire/watchfire/alerting/rules"
	"github.com/watchfire/watchfire/storage/records/recordstest"
)

func TestRecordStore(t *testing.T) {
	db := recordstest.Open(t, recordstest.SQLite(t))
	ctx := t.Context()
	a, b := &recordLease{db: db, holder: "a"}, &recordLease{db: db, holder: "b"}
	token, held, err := a.Acquire(ctx, time.Minute)
	require.NoError(t, err)
	require.True(t, held)
	again, held, err := a.Acquire(ctx, time.Minute)
	require.NoError(t, err)
	require.True(t, held)
	require.Equal(t, token, again, "renewed, not granted anew")
	_, held, err = b.Acquire(ctx, time.Minute)
	require.NoError(t, err)
	require.False(t, held)

	s := &recordStore{db: db}
	data, version, err := s.Load(ctx, "t", "file;group")
	require.NoError(t, err)
	require.Nil(t, data)
	version, err = s.Save(ctx, "t", "file;group", []byte(`{"slot":1}`), version, token)
	require.NoError(t, err)
	_, err = s.Save(ctx, "t", "file;group", []byte(`{"slot":1}`), version+5, token)
	require.ErrorIs(t, err, eval.ErrConflict)

	require.NoError(t, a.Release(ctx))
	newer, held, err := b.Acquire(ctx, time.Minute)
	require.NoError(t, err)
	require.True(t, held)
	require.Greater(t, newer, token)
	_, err = s.Save(ctx, "t", "file;group", []byte(`{"slot":2}`), version, token)
	require.ErrorIs(t, err, eval.ErrConflict, "fenced off")
	_, err = s.Save(ctx, "t", "file;group", []byte(`{"slot":2}`), version, newer)
	require.NoError(t, err)

	groups, err := s.Groups(ctx, "t")
	require.NoError(t, err)
	require.Equal(t, []string{"file;group"}, groups)
	require.NoError(t, s.Delete(ctx, "t", "file;group"))
	require.NoError(t, s.Delete(ctx, "t", "file;group"))
	require.NoError(t, b.Release(ctx))
	require.NoError(t, b.Release(ctx))
}

func TestRecordHistory(t *testing.T) {
	h := recordHistory{recordstest.Open(t, recordstest.SQLite(t))}
	for i := range 5 {
		e := eval.Entry{ID: "x", Labels: labels.FromStrings("a", "b"), Transition: eval.Transition{At: int64(i), Level: rules.Major, Reason: "r"}}
		require.NoError(t, h.Append(t.Context(), "t", []eval.Entry{e}))
	}
	es, err := h.Entries(t.Context(), "t", "x", 2)
	require.NoError(t, err)
	require.Len(t, es, 2)
	require.Equal(t, int64(4), es[0].At)
	require.Equal(t, rules.Major, es[0].Level)
	require.Equal(t, "b", es[0].Labels.Get("a"))
	es, err = h.Entries(t.Context(), "t", "y", 2)
	require.NoError(t, err)
	require.Nil(t, es)
}

func TestRecordSnapshots(t *testing.T) {
	s := recordSnapshots{recordstest.Open(t, recordstest.SQLite(t))}
	data, v, err := s.Load(t.Context(), "t", "silences")
	require.NoError(t, err)
	require.Nil(t, data)
	v, err = s.Save(t.Context(), "t", "silences", []byte{0, 255}, v)
	require.NoError(t, err)
	_, err = s.Save(t.Context(), "t", "silences", nil, v+1)
	require.ErrorIs(t, err, notify.ErrConflict)
	data, got, err := s.Load(t.Context(), "t", "silences")
	require.NoError(t, err)
	require.Equal(t, v, got)
	require.Equal(t, []byte{0, 255}, data)
}

// Many groups at once: each gets its own answer.
func TestRecordStoreTogether(t *testing.T) {
	db := recordstest.Open(t, recordstest.SQLite(t))
	l := &recordLease{db: db, holder: "a"}
	token, _, err := l.Acquire(t.Context(), time.Minute)
	require.NoError(t, err)
	s := &recordStore{db: db}
	var wg sync.WaitGroup
	versions, errs := make([]int64, 100), make([]error, 100)
	for i := range versions {
		wg.Go(func() {
			version, tk := int64(0), token
			switch i {
			case 7:
				version = 99
			case 8:
				tk--
			}
			versions[i], errs[i] = s.Save(t.Context(), "t", fmt.Sprint(i), []byte(`{}`), version, tk)
		})
	}
	wg.Wait()
	for i := range errs {
		if i == 7 || i == 8 {
			require.ErrorIs(t, errs[i], eval.ErrConflict)
			continue
		}
		require.NoError(t, errs[i])
		_, v, err := s.Load(t.Context(), "t", fmt.Sprint(i))
		require.NoError(t, err)
		require.Equal(t, v, versions[i])
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // whoever gives up holds nobody up
		s.Save(gone, "t", "gone", []byte(`{}`), 0, token) //nolint:errcheck // it may be saved or not
	}
	_, err = s.Save(t.Context(), "t", "after", []byte(`{}`), 0, token)
	require.NoError(t, err)
	tenants, err := s.Tenants(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"t"}, tenants)
}

// A save is what each group costs on each of its slots besides the queries;
// 64 groups end at the same time.
func BenchmarkRecordStoreSave(b *testing.B) {
	db := recordstest.Open(b, recordstest.SQLite(b))
	l := &recordLease{db: db, holder: "a"}
	token, _, err := l.Acquire(b.Context(), time.Hour)
	require.NoError(b, err)
	s := &recordStore{db: db}
	b.SetParallelism(32)
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		group, v := fmt.Sprint(n.Add(1)), int64(0)
		var err error
		for pb.Next() {
			if v, err = s.Save(b.Context(), "t", group, []byte(`{"slot":1700000000000}`), v, token); err != nil {
				b.Error(err)
			}
		}
	})
}
