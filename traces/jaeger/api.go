package jaeger

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces"
)

// API answers the requests of Jaeger's query service.
type API struct {
	reader *traces.Reader
	now    func() time.Time
}

// New returns an API over reader. A nil now is time.Now.
func New(reader *traces.Reader, now func() time.Time) *API {
	if now == nil {
		now = time.Now
	}
	return &API{reader: reader, now: now}
}

// Mux is what routes are added to; *server.Mux is one.
type Mux interface {
	HandleFunc(pattern string, access server.Access, fn func(w http.ResponseWriter, r *http.Request) error, opts ...server.Option)
}

// Register adds the API's routes below /jaeger/api.
func (a *API) Register(mux Mux) {
	get := func(path string, fn func(r *http.Request) (any, error)) {
		mux.HandleFunc("GET /jaeger/api"+path, server.Read, answer(fn))
	}
	get("/services", a.services)
	get("/services/{service}/operations", a.operationNames)
	get("/operations", a.operations)
	get("/traces", a.traces)
	get("/traces/{id}", a.trace)
	get("/dependencies", a.dependencies)
}

// response is what all answers are wrapped in.
type response struct {
	Data   any             `json:"data"`
	Total  int             `json:"total"`
	Limit  int             `json:"limit"`
	Offset int             `json:"offset"`
	Errors []responseError `json:"errors"`
}

type responseError struct {
	Code int    `json:"code"`
	Msg  string `json:"msg"`
}

// answer writes what fn returns, and its errors as Jaeger does.
func answer(fn func(r *http.Request) (any, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		data, err := fn(r)
		if err == nil {
			out := response{Data: data}
			if names, ok := data.([]string); ok {
				out.Total = len(names)
			}
			return server.WriteJSON(w, out)
		}
		e := server.AsError(r.Context(), err)
		if e.Status >= 500 || e.Status == server.StatusClientClosed || e.RetryAfter > 0 {
			return err
		}
		body, err := json.Marshal(response{Errors: []responseError{{e.Status, e.Message}}})
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(e.Status)
		_, err = w.Write(body)
		return err
	}
}

// listed is the range that services and operations are listed of: Jaeger's
// requests for them name no time.
func (a *API) listed() traces.Range {
	now := a.now()
	return traces.Range{From: now.Add(-48 * time.Hour).UnixNano(), To: now.Add(time.Hour).UnixNano()}
}

func (a *API) services(r *http.Request) (any, error) {
	names, _, err := a.reader.Services(r.Context(), server.Tenant(r.Context()), a.listed())
	return list(names), err
}

func (a *API) operationNames(r *http.Request) (any, error) {
	ops, _, err := a.reader.OperationNames(r.Context(), server.Tenant(r.Context()), r.PathValue("service"), a.listed())
	var names []string
	for _, op := range ops {
		names = append(names, op.Name)
	}
	return slices.Compact(list(names)), err
}

type operation struct {
	Name     string `json:"name"`
	SpanKind string `json:"spanKind"`
}

func (a *API) operations(r *http.Request) (any, error) {
	service, kind := r.URL.Query().Get("service"), r.URL.Query().Get("spanKind")
	if service == "" {
		return nil, server.Invalid("parameter 'service' is required")
	}
	ops, _, err := a.reader.OperationNames(r.Context(), server.Tenant(r.Context()), service, a.listed())
	out := []operation{}
	for _, op := range ops {
		name := ""
		if int(op.Kind) < len(kindNames) {
			name = kindNames[op.Kind]
		}
		if kind == "" || kind == name {
			out = append(out, operation{op.Name, name})
		}
	}
	return out, err
}

// defaultLimit is of traces, as in Jaeger.
const defaultLimit = 100

func (a *API) traces(r *http.Request) (any, error) {
	params := r.URL.Query()
	if ids := params["traceID"]; len(ids) > 0 {
		return a.byIDs(r, ids)
	}
	q, err := query(params)
	if err != nil {
		return nil, err
	}
	in, err := rangeOf(params, a.now())
	if err != nil {
		return nil, err
	}
	limit, err := number(params, "limit", defaultLimit)
	if err != nil {
		return nil, err
	}
	found, err := a.reader.Search(r.Context(), server.Tenant(r.Context()), traces.Search{Query: q, In: in, Limit: int(limit)})
	out := []trace{}
	for _, f := range found.Traces {
		out = append(out, traceOf(f.ID, f.Spans, false))
	}
	return out, err
}

// mostIDs is how many traces may be asked for by their ids at once.
const mostIDs = 100

func (a *API) byIDs(r *http.Request, texts []string) (any, error) {
	if len(texts) > mostIDs {
		return nil, server.Invalid("%d trace ids are more than the limit of %d for one request", len(texts), mostIDs)
	}
	var ids []telemetry.TraceID
	for _, s := range texts {
		id, err := traces.ParseTraceID(s)
		if err != nil {
			return nil, server.Invalid("cannot parse traceID: %w", err)
		}
		ids = append(ids, id)
	}
	in, err := rangeOf(r.URL.Query(), a.now())
	if err != nil {
		return nil, err
	}
	found, _, err := a.reader.Traces(r.Context(), server.Tenant(r.Context()), ids, in)
	out := []trace{}
	for _, t := range found {
		out = append(out, traceOf(t.ID, t.Spans, t.Cut))
	}
	return out, err
}

func (a *API) trace(r *http.Request) (any, error) {
	id, err := traces.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return nil, server.Invalid("cannot parse traceID: %w", err)
	}
	in, err := rangeOf(r.URL.Query(), a.now())
	if err != nil {
		return nil, err
	}
	t, _, err := a.reader.Trace(r.Context(), server.Tenant(r.Context()), id, in)
	if err != nil {
		return nil, err
	}
	if len(t.Spans) == 0 {
		return nil, server.NotFound("trace not found")
	}
	return []trace{traceOf(t.ID, t.Spans, t.Cut)}, nil
}

type dependency struct {
	Parent    string `json:"parent"`
	Child     string `json:"child"`
	CallCount uint64 `json:"callCount"`
}

// dependencies reads endTs and lookback in milliseconds.
func (a *API) dependencies(r *http.Request) (any, error) {
	params := r.URL.Query()
	end, err := number(params, "endTs", a.now().UnixMilli())
	if err != nil {
		return nil, err
	}
	lookback, err := number(params, "lookback", (24 * time.Hour).Milliseconds())
	if err != nil {
		return nil, err
	}
	if lookback == 0 || end > maxMicros/1000 || lookback > end {
		return nil, server.Invalid("endTs %d and lookback %d, in milliseconds, are no range of time", end, lookback)
	}
	in := traces.Range{From: (end - lookback) * int64(time.Millisecond), To: end*int64(time.Millisecond) + 1}
	edges, _, err := a.reader.Edges(r.Context(), server.Tenant(r.Context()), in)
	out := []dependency{}
	at := map[[2]string]int{}
	for _, e := range edges {
		if !e.Observed {
			continue // Jaeger knows services only
		}
		key := [2]string{e.Source.Service, e.Target.Service}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, dependency{Parent: key[0], Child: key[1]})
		}
		out[i].CallCount += e.Calls
	}
	return out, err
}

// list is never null in JSON.
func list(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}
