package scrape

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	prom "github.com/prometheus/prometheus/config"
	"gopkg.in/yaml.v3"

	"github.com/watchfire/watchfire/telemetry"
)

// Config is what is scraped.
type Config struct {
	// Global holds Prometheus' global options, such as scrape_interval, for Jobs.
	Global yaml.Node `yaml:"global"`
	// Jobs are scrape_configs, each with an additional option tenant.
	Jobs []Job `yaml:"jobs"`
	// Files are whole configuration files of Prometheus, of which the
	// scrape_configs and scrape_config_files are used.
	Files []File `yaml:"files"`
}

// Job is a scrape_config with a tenant.
type Job struct {
	tenant string
	text   string // YAML without the tenant
	line   int    // of the configuration file
}

// File is a configuration file of Prometheus.
type File struct {
	Path string `yaml:"path"`
	// Tenant is whose the metrics are; empty = default.
	Tenant string `yaml:"tenant"`
}

// UnmarshalYAML keeps the job's text for Prometheus' own parser.
func (j *Job) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a job is a mapping as in Prometheus' scrape_configs", n.Line)
	}
	j.line = n.Line
	rest := *n
	rest.Content = nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "tenant" {
			j.tenant = n.Content[i+1].Value
			continue
		}
		rest.Content = append(rest.Content, n.Content[i], n.Content[i+1])
	}
	text, err := yaml.Marshal(&rest)
	j.text = string(text)
	return err
}

// MarshalYAML writes the job as it was read.
func (j Job) MarshalYAML() (any, error) {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(j.text), &n); err != nil {
		return nil, err
	}
	if j.tenant != "" {
		n.Content[0].Content = append(n.Content[0].Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "tenant"}, &yaml.Node{Kind: yaml.ScalarNode, Value: j.tenant})
	}
	return n.Content[0], nil
}

// Validate reads everything, files too, and returns all problems.
func (c Config) Validate() error {
	_, _, err := c.load(slog.New(slog.DiscardHandler))
	return err
}

// load makes one configuration of all jobs, and says whose each job is.
func (c Config) load(log *slog.Logger) (_ *prom.Config, tenants map[string]string, _ error) {
	l := loader{log: log, tenants: map[string]string{}, from: map[string]string{}}
	if l.all, l.err = prom.Load("", log); l.err != nil {
		return nil, nil, l.err
	}
	global := ""
	if !c.Global.IsZero() {
		text, err := yaml.Marshal(map[string]*yaml.Node{"global": &c.Global})
		if err != nil {
			return nil, nil, fmt.Errorf("global: %w", err)
		}
		global = string(text)
		if _, err := prom.Load(global, log); err != nil {
			return nil, nil, fmt.Errorf("global: line %d: %s", c.Global.Line, withoutLine(err))
		}
	}
	for i, j := range c.Jobs {
		l.job(fmt.Sprintf("jobs[%d]: line %d", i, j.line), j, global)
	}
	for _, f := range c.Files {
		l.file(f)
	}
	return l.all, l.tenants, l.err
}

type loader struct {
	log     *slog.Logger
	all     *prom.Config
	tenants map[string]string // by job
	from    map[string]string // where a job was first seen
	err     error
}

func (l *loader) job(at string, j Job, global string) {
	item := "- " + strings.ReplaceAll(strings.TrimRight(j.text, "\n"), "\n", "\n  ") + "\n"
	cfg, err := prom.Load(global+"scrape_configs:\n"+item, l.log)
	if err != nil {
		l.err = errors.Join(l.err, fmt.Errorf("%s: %s", at, withoutLine(err)))
		return
	}
	l.add(at, cfg, j.tenant)
}

func (l *loader) file(f File) {
	cfg, err := prom.LoadFile(f.Path, false, l.log)
	if err != nil {
		l.err = errors.Join(l.err, fmt.Errorf("files: %w", err))
		return
	}
	l.add("files: "+f.Path, cfg, f.Tenant)
}

func (l *loader) add(at string, cfg *prom.Config, tenant string) {
	jobs, err := cfg.GetScrapeConfigs()
	if err != nil {
		l.err = errors.Join(l.err, fmt.Errorf("%s: %w", at, err))
		return
	}
	if tenant == "" {
		tenant = telemetry.DefaultTenant
	}
	for _, j := range jobs {
		if first, twice := l.from[j.JobName]; twice {
			l.err = errors.Join(l.err, fmt.Errorf("%s: job_name %q is in use already at %s: names are unique over all jobs and files", at, j.JobName, first))
			continue
		}
		l.from[j.JobName], l.tenants[j.JobName] = at, tenant
		l.all.ScrapeConfigs = append(l.all.ScrapeConfigs, j)
	}
}

// lineNumber is yaml's own position, which counts within the text that a job
// was given to the parser in.
var lineNumber = regexp.MustCompile(`(?m)^\s*line \d+: |yaml: (unmarshal errors:\n)?`)

func withoutLine(err error) string {
	return strings.Join(strings.Fields(lineNumber.ReplaceAllString(err.Error(), "")), " ")
}
