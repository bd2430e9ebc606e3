package dashboards

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/watchfire/watchfire/server"
)

// maxQueryBytes bounds the text of a SQL query.
const maxQueryBytes = 1 << 20

// SQL answers POST /api/ops/v1/sql: {"query": "SELECT ..."} gives
// {"columns": [{"name", "type"}], "rows": [[...]]}. It reads only, but every
// tenant's rows, so it is for administrators.
type SQL struct {
	// Query runs a read-only query with the limits that are in the context.
	Query func(ctx context.Context, sql string) (driver.Rows, error)
	// MaxRows bounds the answer; a longer one is an error that says so.
	MaxRows int
	// Timeout bounds the query.
	Timeout time.Duration
}

type sqlColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type sqlAnswer struct {
	Columns []sqlColumn `json:"columns"`
	Rows    [][]any     `json:"rows"`
}

// Serve is the handler.
func (s SQL) Serve(w http.ResponseWriter, r *http.Request) error {
	var req struct {
		Query string `json:"query"`
	}
	d := json.NewDecoder(io.LimitReader(r.Body, maxQueryBytes))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		return server.Invalid(`cannot parse the request: %v: want {"query": "SELECT ..."}`, err)
	}
	if req.Query == "" {
		return server.Invalid(`query is empty: want {"query": "SELECT ..."}`)
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.Timeout, fmt.Errorf("the query took longer than %s", s.Timeout))
	defer cancel()
	answer, err := s.run(ctx, req.Query)
	if err != nil {
		return sqlError(err)
	}
	return server.WriteJSON(w, answer)
}

// sqlError makes what ClickHouse says of a query the caller's error; what is
// not about the query keeps its own status.
func sqlError(err error) error {
	var status interface{ HTTPStatus() int }
	if errors.As(err, &status) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Unprocessable("%v", err)
}

func (s SQL) run(ctx context.Context, query string) (answer sqlAnswer, err error) {
	rows, err := s.Query(ctx, query)
	if err != nil {
		return answer, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var into []any
	for _, t := range rows.ColumnTypes() {
		answer.Columns = append(answer.Columns, sqlColumn{t.Name(), t.DatabaseTypeName()})
		into = append(into, reflect.New(t.ScanType()).Interface())
	}
	answer.Rows = [][]any{}
	for rows.Next() {
		if len(answer.Rows) >= s.MaxRows {
			return answer, server.Unprocessable("the answer has more than %d rows: add a LIMIT", s.MaxRows)
		}
		if err := rows.Scan(into...); err != nil {
			return answer, fmt.Errorf("cannot read row %d: %w", len(answer.Rows), err)
		}
		row := make([]any, len(into))
		for i, p := range into {
			row[i] = jsonValue(reflect.ValueOf(p).Elem())
		}
		answer.Rows = append(answer.Rows, row)
	}
	return answer, rows.Err()
}

// jsonValue is v as JSON can tell it: numbers that are none become text.
func jsonValue(v reflect.Value) any {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Sprint(f)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 { // text would be base64
			ints := make([]uint8, v.Len())
			reflect.Copy(reflect.ValueOf(ints), v)
			return fmt.Sprintf("%x", ints)
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i] = jsonValue(v.Index(i))
		}
		return out
	}
	return v.Interface()
}
