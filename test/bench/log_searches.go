package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// logSearch is a query and what it must find. (LogQL's |= is a substring; a
// whole word needs a regular expression.)
type logSearch struct {
	name, query string
	found       int // lines
	goal        time.Duration
}

func (f ingestLogsFlags) searches() []logSearch {
	all := `{cluster="bench"}`
	return []logSearch{
		{"a unique id", all + ` |= "` + uniqueID + `"`, 1, 500 * time.Millisecond},
		{"part of a unique id", all + ` |= "` + uniqueID[5:25] + `"`, 1, 0},
		{"a whole word", all + " |~ `\\b" + rareWord + "\\b`", min(rareLines, f.lines), 200 * time.Millisecond},
		{"a word by |=", all + ` |= "` + rareWord + `"`, min(rareLines, f.lines), 0},
		{"no line", all + ` |= "nothing has this text"`, 0, 0},
		{"last 100 lines of a stream", streamLabels("cart", 0), 100, 50 * time.Millisecond},
		{"last 100 lines of a service", `{service_name="cart"}`, 100, 0},
		{"last 100 errors", all + ` |= "error"`, 100, 0},
	}
}

// search times the searches, warm and cold.
func (f ingestLogsFlags) search(ctx context.Context, l *lab, s *side, begin time.Time) error {
	t := newTable(l.out, fmt.Sprintf("searches in %s lines", number(float64(f.lines))), "warm ms", "cold ms", "found", "goal")
	for _, q := range f.searches() {
		run := func() (time.Duration, int, error) {
			a, err := ask(ctx, s.url+"/loki/api/v1/query_range", map[string]string{
				"query": q.query, "limit": "100", "direction": "backward",
				"start": strconv.FormatInt(begin.Add(-time.Minute).UnixNano(), 10),
				"end":   strconv.FormatInt(begin.Add(f.length+time.Minute).UnixNano(), 10),
			})
			if err != nil {
				return 0, 0, err
			}
			n, err := a.lines()
			return a.took, n, err
		}
		if err := s.restartCold(ctx); err != nil {
			return err
		}
		if err := settle(ctx, s.pid(), 10*time.Second); err != nil {
			return err
		}
		cold, found, err := run()
		var warm []time.Duration
		for range max(f.warm, 1) {
			if err != nil {
				break
			}
			var took time.Duration
			took, found, err = run()
			warm = append(warm, took)
		}
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			t.row(q.name, "failed: "+err.Error())
			continue
		}
		slices.Sort(warm)
		median := warm[len(warm)/2]
		met, right := "", fmt.Sprint(found)
		if q.goal > 0 {
			met = goal(median <= q.goal, "warm <= "+millis(q.goal))
		}
		if found != q.found {
			right += fmt.Sprintf(", WRONG: want %d", q.found)
		}
		t.row(q.name, digits(ms(median)), digits(ms(cold)), right, met)
	}
	t.flush()
	return nil
}

// lines counts the lines of an answer of Loki's API.
func (a answer) lines() (int, error) {
	var v struct {
		Data struct {
			Result []struct{ Values []json.RawMessage }
		}
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		return 0, fmt.Errorf("cannot read %.100q: %w", a.body, err)
	}
	n := 0
	for _, r := range v.Data.Result {
		n += len(r.Values)
	}
	return n, nil
}
