package records_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/watchfire/watchfire/storage/records"
	"github.com/watchfire/watchfire/storage/records/recordstest"
)

func TestStreams(t *testing.T) {
	recordstest.Each(t, func(t *testing.T, dsn string) {
		db, ctx := recordstest.Open(t, dsn), t.Context()
		if _, err := db.Last(ctx, "default", "audit"); !errors.Is(err, records.ErrNotFound) {
			t.Errorf("last of nothing: %v", err)
		}
		for i := range 5 {
			n, err := db.Append(ctx, "default", "audit", json.RawMessage(`{"step" : 1}`))
			if err != nil || n != int64(i+1) {
				t.Fatalf("sequence %d, %v", n, err)
			}
		}
		for _, other := range [][2]string{{"team", "audit"}, {"default", "Runs"}} {
			if n, err := db.Append(ctx, other[0], other[1], 1); err != nil || n != 1 {
				t.Errorf("sequence %d, %v", n, err)
			}
		}
		entries, err := db.Entries(ctx, "default", "audit", 3, 2)
		if err != nil || len(entries) != 2 || entries[0].Sequence != 3 || entries[1].Sequence != 4 || string(entries[0].Value) != `{"step" : 1}` || entries[0].Added.IsZero() {
			t.Errorf("entries %+v, %v", entries, err)
		}
		last, err := db.Last(ctx, "default", "audit")
		if err != nil || last.Sequence != 5 {
			t.Errorf("last %+v, %v", last, err)
		}
		names, err := db.Streams(ctx, "default")
		if err != nil || !slices.Equal(names, []string{"Runs", "audit"}) {
			t.Errorf("streams %q, %v", names, err)
		}
		if _, err := db.Append(ctx, "default", "", 1); !errors.Is(err, records.ErrInvalid) {
			t.Errorf("append to a stream without a name: %v", err)
		}
	})
}
