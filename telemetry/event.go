package telemetry

// EntityRef names an entity as far as a source knows it; empty fields are
// unknown. Two clusters with equal names inside never mix: Cluster is part of
// the identity of everything that lives in one.
type EntityRef struct {
	Kind      string // pod, node, workload, service, application, host, ...
	Cluster   string
	Namespace string
	Name      string
	UID       string
}

// Event is something that happened to an entity.
type Event struct {
	Time     int64  // Unix nanoseconds
	Source   string // kubernetes, watchfire, webhook, ...
	ID       string // unique within the source: a repeated event is stored once
	Entity   EntityRef
	Severity Severity
	Reason   string // machine-readable, such as BackOff
	Message  string
	Count    uint32
	Attrs    []Attribute
}

// Change is an event with a before and an after.
type Change struct {
	Event
	Kind      string // deploy, config, flag, commit, infrastructure, ...
	Reference string // such as a commit SHA
	Author    string
	Title     string
	Before    string
	After     string
	URL       string
}

// Entity is a thing of the platform and the thing it lives in.
type Entity struct {
	EntityRef
	Parent EntityRef
	Labels map[string]string
}
