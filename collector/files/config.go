package files

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/filelogreceiver"
	"go.opentelemetry.io/collector/pdata/plog"
	"gopkg.in/yaml.v3"

	"github.com/watchfire/watchfire/collector/embed"
	"github.com/watchfire/watchfire/telemetry"
)

// Config is one set of files.
type Config struct {
	// Name tells sets apart, also in the remembered positions: a renamed set
	// begins anew.
	Name string `yaml:"name"`
	// Tenant is whose the lines are.
	Tenant string `yaml:"tenant"`
	// Labels are added to the streams, besides filename, host_name and
	// service_name.
	Labels map[string]string `yaml:"labels"`
	// Settings are all settings of the file log receiver: include, exclude,
	// multiline, encoding, operators and so on. In YAML they stand beside the
	// fields above.
	Settings map[string]any `yaml:"-"`
}

// UnmarshalYAML tells the receiver's settings from ours.
func (c *Config) UnmarshalYAML(n *yaml.Node) error {
	type plain Config
	ours := struct {
		plain `yaml:",inline"`
		Rest  map[string]any `yaml:",inline"`
	}{plain: plain(*c)}
	if err := n.Decode(&ours); err != nil {
		return err
	}
	*c = Config(ours.plain)
	c.Settings = ours.Rest
	return nil
}

// Validate returns all problems.
func (c Config) Validate() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("name: is empty: a set of files needs one"))
	}
	if err := embed.Check(embed.Options{
		Name: c.Name, Factory: filelogreceiver.NewFactory(), Settings: c.settings(0),
		Logs: func(context.Context, plog.Logs) error { return nil },
	}); err != nil {
		errs = append(errs, fmt.Errorf("%q: %w", c.Name, err))
	}
	return errors.Join(errs...)
}

func (c Config) tenant() string {
	if c.Tenant == "" {
		return telemetry.DefaultTenant
	}
	return c.Tenant
}

// settings are the receiver's, with ours where the configuration says nothing.
// maxLine is the longest line in bytes, 0 = the receiver's own limit; what is
// longer goes on as a further line.
func (c Config) settings(maxLine int) map[string]any {
	out := map[string]any{}
	if maxLine > 0 {
		out["max_log_size"] = maxLine
	}
	maps.Copy(out, c.Settings)
	out["include_file_path"] = true
	out["storage"] = embed.StorageName
	return out
}
