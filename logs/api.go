package logs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/grafana/loki/v3/pkg/loghttp"
	"github.com/grafana/loki/v3/pkg/logproto"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/grafana/loki/v3/pkg/logqlmodel"
	"github.com/grafana/loki/v3/pkg/util/httpreq"
	"github.com/grafana/loki/v3/pkg/util/marshal"

	"github.com/watchfire/watchfire/server"
)

// API is Loki's HTTP API for reading (Grafana Loki 3.7, "HTTP API").
type API struct {
	engine  *Engine
	store   *Store
	tail    *Tail
	version string
}

// NewAPI returns the API over an Engine, and the Tail that the Writer feeds.
// version is the one that buildinfo tells.
func NewAPI(engine *Engine, tail *Tail, version string) *API {
	return &API{engine: engine, store: engine.store, tail: tail, version: version}
}

// Register adds the routes below /loki.
func (a *API) Register(mux *server.Mux) {
	plain := server.Errors(server.PlainErrors)
	both := func(path string, fn func(http.ResponseWriter, *http.Request) error) {
		for _, method := range []string{"GET ", "POST "} {
			mux.HandleFunc(method+"/loki/api/v1/"+path, server.Read, form(fn), plain)
		}
	}
	both("query", a.query)
	both("query_range", a.queryRange)
	both("labels", a.labels)
	both("label", a.labels)
	both("label/{name}/values", a.labelValues)
	both("series", a.series)
	both("index/stats", a.indexStats)
	both("index/volume", a.volume)
	both("index/volume_range", a.volumeRange)
	both("detected_labels", a.detectedLabels)
	both("detected_fields", a.detectedFields)
	both("detected_field/{name}/values", a.detectedFieldValues)
	both("patterns", a.patterns)
	both("format_query", a.formatQuery)
	mux.HandleFunc("GET /loki/api/v1/status/buildinfo", server.Read, a.buildInfo, plain)
	mux.HandleFunc("GET /loki/api/v1/tail", server.Read, form(a.follow), plain, server.LongLived())
	mux.HandleFunc("GET /loki/ready", server.Public, a.ready, plain)
}

// maxForm bounds a query sent in a body, in bytes.
const maxForm = 1 << 20

// form parses the parameters, from the URL or a form in the body.
func form(fn func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return invalid(fmt.Errorf("cannot parse the form: %w", err))
		}
		return fn(w, r)
	}
}

// invalid makes an error the client's mistake, in its own words.
func invalid(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return &server.Error{Status: http.StatusBadRequest, Reason: server.ReasonInvalid, Message: err.Error(), Err: err}
}

func (a *API) query(w http.ResponseWriter, r *http.Request) error {
	q, err := loghttp.ParseInstantQuery(r)
	if err != nil {
		return invalid(err)
	}
	expr, err := syntax.ParseExpr(q.Query)
	if err != nil {
		return invalid(err)
	}
	if _, ok := expr.(syntax.SampleExpr); !ok {
		return invalid(logqlmodel.ErrUnsupportedSyntaxForInstantQuery)
	}
	return a.exec(w, r, Params{Query: q.Query, Start: q.Ts, End: q.Ts, Forward: q.Direction == logproto.FORWARD, Limit: int(q.Limit)})
}

func (a *API) queryRange(w http.ResponseWriter, r *http.Request) error {
	q, err := loghttp.ParseRangeQuery(r)
	if err != nil {
		return invalid(err)
	}
	return a.exec(w, r, Params{
		Query: q.Query, Start: q.Start, End: q.End, Step: q.Step, Interval: q.Interval,
		Forward: q.Direction == logproto.FORWARD, Limit: int(q.Limit),
	})
}

func (a *API) exec(w http.ResponseWriter, r *http.Request, p Params) error {
	flags := httpreq.ExtractEncodingFlags(r)
	ctx := httpreq.AddEncodingFlagsToContext(r.Context(), flags)
	result, err := a.engine.Exec(ctx, server.Tenant(ctx), p)
	if err != nil {
		return err
	}
	asJSON(w)
	return marshal.WriteQueryResponseJSON(result.Data, result.Warnings, result.Statistics, w, flags)
}

func asJSON(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/json; charset=UTF-8") }

func (a *API) patterns(w http.ResponseWriter, _ *http.Request) error {
	asJSON(w)
	return marshal.WriteQueryPatternsResponseJSON(&logproto.QueryPatternsResponse{}, w)
}

func (a *API) formatQuery(w http.ResponseWriter, r *http.Request) error {
	type answer struct {
		Status string `json:"status"`
		Data   string `json:"data,omitempty"`
		Error  string `json:"error,omitempty"`
	}
	expr, err := syntax.ParseExpr(r.Form.Get("query"))
	if err != nil {
		asJSON(w)
		w.WriteHeader(http.StatusBadRequest)
		return json.NewEncoder(w).Encode(answer{Status: "invalid-query", Error: err.Error()})
	}
	asJSON(w)
	return json.NewEncoder(w).Encode(answer{Status: "success", Data: syntax.Prettify(expr)})
}

// apiVersion is the version of Loki whose API this is: Grafana asks for it.
const apiVersion = "3.7.8"

func (a *API) buildInfo(w http.ResponseWriter, _ *http.Request) error {
	return server.WriteJSON(w, map[string]string{
		"version": apiVersion, "revision": "watchfire-" + a.version, "branch": "watchfire",
		"buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	})
}

func (a *API) ready(w http.ResponseWriter, r *http.Request) error {
	if err := a.store.client.Ping(r.Context()); err != nil {
		return server.Unavailable(time.Second, "logs are not ready: %w", err)
	}
	_, err := fmt.Fprintln(w, "ready")
	return err
}
