package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// asker sends queries to a running Watchfire.
type asker struct {
	server string
	token  string
	tenant string
	since  time.Duration
	limit  int
	step   time.Duration
}

func newQueryCommand() *cobra.Command {
	var a asker
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Ask a running Watchfire; the answers are JSON",
	}
	cmd.PersistentFlags().StringVar(&a.server, "server", envOr("WATCHFIRE_SERVER", "http://127.0.0.1:8930"), "its address, WATCHFIRE_SERVER")
	cmd.PersistentFlags().StringVar(&a.token, "token", os.Getenv("WATCHFIRE_TOKEN"), "bearer token, WATCHFIRE_TOKEN")
	cmd.PersistentFlags().StringVar(&a.tenant, "tenant", os.Getenv("WATCHFIRE_TENANT"), "tenant, WATCHFIRE_TENANT")
	add := func(use, short string, ask func(ctx context.Context, query string) (*http.Request, error), ranged bool) {
		sub := &cobra.Command{
			Use: use + " QUERY", Short: short, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				req, err := ask(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.send(req, cmd.OutOrStdout())
			},
		}
		if ranged {
			sub.Flags().DurationVar(&a.since, "since", time.Hour, "how far back to look")
			sub.Flags().IntVar(&a.limit, "limit", 100, "how many lines or traces to return")
		}
		if use == "promql" {
			sub.Flags().DurationVar(&a.since, "since", 0, "answer for every step since then, instead of for now")
			sub.Flags().DurationVar(&a.step, "step", 15*time.Second, "with --since: the time between two values")
		}
		cmd.AddCommand(sub)
	}
	add("promql", "Run a PromQL query", a.promql, false)
	add("logql", "Run a LogQL query", a.logql, true)
	add("trace", "Get a trace by its id, or search by a TraceQL query", a.trace, true)
	add("sql", "Run a read-only SQL query", a.sql, false)
	return cmd
}

func (a *asker) promql(ctx context.Context, query string) (*http.Request, error) {
	if a.since == 0 {
		return a.get(ctx, "/api/v1/query", url.Values{"query": {query}})
	}
	now := time.Now()
	return a.get(ctx, "/api/v1/query_range", url.Values{
		"query": {query}, "start": {unix(now.Add(-a.since))}, "end": {unix(now)},
		"step": {strconv.FormatFloat(a.step.Seconds(), 'f', -1, 64)},
	})
}

func (a *asker) logql(ctx context.Context, query string) (*http.Request, error) {
	now := time.Now()
	return a.get(ctx, "/loki/api/v1/query_range", url.Values{
		"query": {query}, "start": {strconv.FormatInt(now.Add(-a.since).UnixNano(), 10)},
		"end": {strconv.FormatInt(now.UnixNano(), 10)}, "limit": {strconv.Itoa(a.limit)},
	})
}

func (a *asker) trace(ctx context.Context, query string) (*http.Request, error) {
	if !strings.Contains(query, "{") {
		return a.get(ctx, "/tempo/api/traces/"+url.PathEscape(query), nil)
	}
	now := time.Now()
	return a.get(ctx, "/tempo/api/search", url.Values{
		"q": {query}, "start": {strconv.FormatInt(now.Add(-a.since).Unix(), 10)},
		"end": {strconv.FormatInt(now.Unix()+1, 10)}, "limit": {strconv.Itoa(a.limit)},
	})
}

func (a *asker) sql(ctx context.Context, query string) (*http.Request, error) {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.server+"/api/ops/v1/sql", bytes.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, err
}

func (a *asker) get(ctx context.Context, path string, params url.Values) (*http.Request, error) {
	return http.NewRequestWithContext(ctx, http.MethodGet, a.server+path+"?"+params.Encode(), nil)
}

func (a *asker) send(req *http.Request, out io.Writer) error {
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	if a.tenant != "" {
		req.Header.Set("X-Scope-OrgID", a.tenant)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("cannot ask %s (option --server): %w", a.server, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	if _, err := io.Copy(out, resp.Body); err != nil {
		return fmt.Errorf("cannot read the answer: %w", err)
	}
	_, err = fmt.Fprintln(out)
	return err
}

func unix(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}
