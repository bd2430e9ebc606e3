package loki

// Config is how pushes are received.
type Config struct {
	// ServiceNameFrom are the labels that give a stream its service_name when it
	// has none, in order; when none is present it is unknown_service. Empty
	// leaves streams as they are sent.
	ServiceNameFrom []string `yaml:"service_name_from"`
}

// DefaultConfig is Loki's.
func DefaultConfig() Config {
	return Config{ServiceNameFrom: []string{
		"service", "app", "application", "app_name", "name", "app_kubernetes_io_name", "container",
		"container_name", "k8s_container_name", "component", "workload", "job", "k8s_job_name",
	}}
}

// Validate finds nothing to refuse: a label that does not exist is not found.
func (c Config) Validate() error { return nil }
