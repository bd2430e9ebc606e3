package tempo

import (
	"maps"
	"net/http"
	"runtime"
	"slices"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/traces"
)

// API answers Tempo's requests.
type API struct {
	reader  *traces.Reader
	version string
}

// New returns an API over reader. version is this program's, for buildinfo.
func New(reader *traces.Reader, version string) *API {
	return &API{reader: reader, version: version}
}

// Mux is what routes are added to; *server.Mux is one.
type Mux interface {
	HandleFunc(pattern string, access server.Access, fn func(w http.ResponseWriter, r *http.Request) error, opts ...server.Option)
}

// Register adds the API's routes below /tempo.
func (a *API) Register(mux Mux) {
	get := func(path string, fn func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc("GET /tempo"+path, server.Read, fn, server.Errors(server.PlainErrors))
	}
	get("/api/echo", text("echo"))
	get("/ready", text("ready\n"))
	get("/api/status/buildinfo", a.buildInfo)
	get("/api/traces/{id}", a.trace)
	get("/api/v2/traces/{id}", a.traceV2)
	get("/api/search", a.search)
	get("/api/search/tags", a.tags)
	get("/api/v2/search/tags", a.tagsV2)
	// A tag's name may have slashes, so the end of the path is cut by hand.
	get("/api/search/tag/{rest...}", a.tagValues)
	get("/api/v2/search/tag/{rest...}", a.tagValuesV2)
	get("/api/metrics/query_range", a.queryRange)
	get("/api/metrics/query", a.queryInstant)
}

func text(s string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, err := w.Write([]byte(s))
		return err
	}
}

// tempoVersion is the version of Tempo whose API this is.
const tempoVersion = "2.9.0"

func (a *API) buildInfo(w http.ResponseWriter, _ *http.Request) error {
	return server.WriteJSON(w, map[string]string{
		"version": tempoVersion, "revision": "watchfire-" + a.version, "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
