package logs

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

// plan of a page must use the hours in the key, the times of parts, and the
// text index; each is lost by a harmless looking change of the SQL.
func TestPagesUseTheIndexes(t *testing.T) {
	tenant, client := enginetest.Tenant(t), enginetest.Client(t)
	write(t, tenant, lines(labels.FromStrings("app", "a"), "request_id=5d5599c4ed0f4fb9 ok"))
	store := NewStore(DefaultQueryConfig(), client)
	sp := span{epoch.UnixNano(), epoch.Add(time.Minute).UnixNano()}
	set, err := store.streams(t.Context(), tenant, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "app", "a")}, sp)
	require.NoError(t, err)
	require.Len(t, set.ids, 1)
	pages := newPager(store, set, []string{containsSQL("body", "request_id=5d5599c4ed0f4fb9")}, sp, false, 100)
	rows, err := client.Query(t.Context(), "EXPLAIN indexes = 1 "+pages.sql(sp))
	require.NoError(t, err)
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		b.WriteString(line + "\n")
	}
	require.NoError(t, rows.Err())
	for _, want := range []string{"Min-Max", "PrimaryKey", hourOfTime + " in ", "stream in ", "Name: " + bodyIndex} {
		require.Contains(t, b.String(), want)
	}
}
