package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// sql asks Watchfire's read-only SQL endpoint and returns the rows as text.
func (s *side) sql(ctx context.Context, query string) ([][]string, error) {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/ops/v1/sql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("SQL: %s: %.300s", resp.Status, text)
	}
	var answer struct{ Rows [][]any }
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil {
		return nil, fmt.Errorf("cannot read the answer of SQL: %w", err)
	}
	rows := make([][]string, len(answer.Rows))
	for i, r := range answer.Rows {
		for _, v := range r {
			rows[i] = append(rows[i], fmt.Sprint(v))
		}
	}
	return rows, nil
}

// sqlNumbers is sql for one row of numbers.
func (s *side) sqlNumbers(ctx context.Context, query string) ([]float64, error) {
	rows, err := s.sql(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("SQL answered %d rows, want 1: %s", len(rows), query)
	}
	numbers := make([]float64, len(rows[0]))
	for i, v := range rows[0] {
		if numbers[i], err = strconv.ParseFloat(v, 64); err != nil {
			return nil, fmt.Errorf("SQL answered %q, want a number: %s", v, query)
		}
	}
	return numbers, nil
}

// tableSize is a table's active parts; bytes are those on disk.
type tableSize struct {
	rows, parts, all, columns, indices float64
}

func (s *side) tableSize(ctx context.Context, table string) (tableSize, error) {
	n, err := s.sqlNumbers(ctx, fmt.Sprintf(`SELECT sum(rows), count(), sum(bytes_on_disk), sum(data_compressed_bytes), sum(secondary_indices_compressed_bytes)
FROM system.parts WHERE active AND table = '%s'`, table))
	if err != nil {
		return tableSize{}, err
	}
	return tableSize{n[0], n[1], n[2], n[3], n[4]}, nil
}

// merged waits until background merges of a table have come to rest, at most
// for long.
func (s *side) merged(ctx context.Context, table string, long time.Duration) error {
	const rest = 10 * time.Second
	last, since := -1.0, time.Now()
	for deadline := time.Now().Add(long); time.Now().Before(deadline); {
		n, err := s.sqlNumbers(ctx, fmt.Sprintf(`SELECT (SELECT count() FROM system.parts WHERE active AND table = '%[1]s'), (SELECT count() FROM system.merges WHERE table = '%[1]s')`, table))
		if err != nil {
			return err
		}
		if n[0] != last || n[1] > 0 {
			last, since = n[0], time.Now()
		}
		if time.Since(since) > rest {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return nil
}
