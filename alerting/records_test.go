package alerting

import (
	"encoding/json"
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

	s := recordStore{db}
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

// One save is what each group costs on each of its slots besides the queries.
func BenchmarkRecordStoreSave(b *testing.B) {
	db := recordstest.Open(b, recordstest.SQLite(b))
	l := &recordLease{db: db, holder: "a"}
	token, _, err := l.Acquire(b.Context(), time.Hour)
	require.NoError(b, err)
	s := recordStore{db}
	var v int64
	data, _ := json.Marshal(map[string]int64{"slot": 1_700_000_000_000})
	for b.Loop() {
		if v, err = s.Save(b.Context(), "t", "group", data, v, token); err != nil {
			b.Fatal(err)
		}
	}
}
