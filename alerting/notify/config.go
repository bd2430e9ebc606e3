package notify

import (
	"errors"
	"fmt"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/common/model"
)

// Config says how people are told.
type Config struct {
	ConfigFile        string            `yaml:"config_file"`         // Alertmanager's configuration, empty = alerts are kept and nobody is told
	TenantConfigFiles map[string]string `yaml:"tenant_config_files"` // of tenants that have their own
	Retention         model.Duration    `yaml:"retention"`           // of silences after their end, and of the notification log
	MaxTenants        int               `yaml:"max_tenants"`         // tenants with alerts or silences at once
	MaxSilences       int               `yaml:"max_silences"`        // of a tenant, 0 = any number
	MaxSilenceBytes   int               `yaml:"max_silence_bytes"`   // of one silence, 0 = any size
	MaxAlertsPerName  int               `yaml:"max_alerts_per_name"` // alerts of a tenant with the same alertname, 0 = any number
	MaxGroups         int               `yaml:"max_groups"`          // groups of alerts of a tenant, 0 = any number
}

// DefaultConfig keeps alerts for the API and tells nobody, for it knows no
// receiver.
func DefaultConfig() Config {
	return Config{
		Retention: model.Duration(5 * 24 * time.Hour), MaxTenants: 200,
		MaxSilences: 10_000, MaxSilenceBytes: 64 << 10, MaxAlertsPerName: 20_000, MaxGroups: 20_000,
	}
}

// defaultAlertmanager is the configuration of a tenant that has no file.
const defaultAlertmanager = `# No config_file is set under alerting.notify: alerts are kept and nobody is told.
route:
  receiver: nobody
  group_by: [alertname, application, cluster]
receivers:
  - name: nobody
`

// Validate names everything that is wrong, in the Alertmanager files too.
func (c Config) Validate() error {
	var errs []error
	if c.Retention <= 0 {
		errs = append(errs, fmt.Errorf("retention: %s must be more than 0", c.Retention))
	}
	if c.MaxTenants < 1 {
		errs = append(errs, fmt.Errorf("max_tenants: %d must be at least 1", c.MaxTenants))
	}
	for key, n := range map[string]int{"max_silences": c.MaxSilences, "max_silence_bytes": c.MaxSilenceBytes,
		"max_alerts_per_name": c.MaxAlertsPerName, "max_groups": c.MaxGroups} {
		if n < 0 {
			errs = append(errs, fmt.Errorf("%s: %d must not be negative", key, n))
		}
	}
	files := map[string]bool{c.ConfigFile: true}
	for _, f := range c.TenantConfigFiles {
		files[f] = true
	}
	for f := range files {
		if _, err := load(f); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// file is the configuration file of a tenant, empty = the default text.
func (c Config) file(tenant string) string {
	if f, ok := c.TenantConfigFiles[tenant]; ok {
		return f
	}
	return c.ConfigFile
}

func load(file string) (*amconfig.Config, error) {
	if file == "" {
		return amconfig.Load(defaultAlertmanager)
	}
	c, err := amconfig.LoadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot load the Alertmanager configuration %s: %w", file, err)
	}
	return c, nil
}
