package telemetry

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// Field is one part of an Identity: the thing that an attribute names.
type Field string

// The fields of an identity, outermost first within each group.
const (
	FieldApplication      Field = "application"
	FieldService          Field = "service"
	FieldServiceNamespace Field = "service_namespace"
	FieldServiceInstance  Field = "service_instance"
	FieldEnvironment      Field = "environment"
	FieldWorkload         Field = "workload"
	FieldPod              Field = "pod"
	FieldContainer        Field = "container"
	FieldNode             Field = "node"
	FieldHost             Field = "host"
	FieldCluster          Field = "cluster"
	FieldNamespace        Field = "namespace"
	FieldCloudProvider    Field = "cloud_provider"
	FieldCloudRegion      Field = "cloud_region"
	FieldCloudZone        Field = "cloud_zone"
	FieldCloudAccount     Field = "cloud_account"
)

// Source says where a field's value may come from, best source first.
type Source struct {
	// Attributes are OpenTelemetry resource attributes.
	Attributes []string `yaml:"attributes"`
	// Labels are names of Prometheus and Loki labels. The escaped form of each
	// attribute (k8s.pod.name as k8s_pod_name) is always looked for as well,
	// before these.
	Labels []string `yaml:"labels"`
}

// IdentityTable is the one mapping, for all signals, from attributes and
// labels to what they name. In YAML it is a map from field to source; a field
// that is given replaces the default of that field, one with neither
// attributes nor labels is turned off.
type IdentityTable map[Field]Source

// Identity is what a resource's attributes, or a series' labels, say about who
// sent it. Empty = unknown.
type Identity struct {
	Application      string
	Service          string
	ServiceNamespace string
	ServiceInstance  string
	Environment      string
	Workload         string
	WorkloadKind     string // Deployment, StatefulSet, DaemonSet, Job, CronJob, ReplicaSet; empty = unknown
	Pod              string
	Container        string
	Node             string
	Host             string
	Cluster          string
	Namespace        string
	CloudProvider    string
	CloudRegion      string
	CloudZone        string
	CloudAccount     string
}

// DefaultIdentity follows OpenTelemetry's semantic conventions for resources,
// Kubernetes' recommended labels, and the label names of kube-state-metrics,
// cAdvisor, the kubernetes-mixin and Grafana's agents.
func DefaultIdentity() IdentityTable {
	return IdentityTable{
		FieldApplication: {
			Attributes: []string{"app.name", "k8s.pod.label.app.kubernetes.io/part-of", "application"},
			Labels:     []string{"app_kubernetes_io_part_of", "label_app_kubernetes_io_part_of"},
		},
		FieldService: {
			Attributes: []string{"service.name"},
			Labels:     []string{"service", "app_kubernetes_io_name", "label_app_kubernetes_io_name", "app", "job"},
		},
		FieldServiceNamespace: {Attributes: []string{"service.namespace"}},
		FieldServiceInstance:  {Attributes: []string{"service.instance.id"}, Labels: []string{"instance"}},
		FieldEnvironment: {
			Attributes: []string{"deployment.environment.name", "deployment.environment"},
			Labels:     []string{"environment", "env"},
		},
		FieldWorkload: {
			Attributes: []string{
				"k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name",
				"k8s.cronjob.name", "k8s.job.name", "k8s.replicaset.name",
			},
			Labels: []string{
				"workload", "deployment", "statefulset", "daemonset", "cronjob", "job_name", "replicaset",
			},
		},
		FieldPod:       {Attributes: []string{"k8s.pod.name"}, Labels: []string{"pod", "pod_name"}},
		FieldContainer: {Attributes: []string{"k8s.container.name", "container.name"}, Labels: []string{"container"}},
		FieldNode:      {Attributes: []string{"k8s.node.name"}, Labels: []string{"node"}},
		FieldHost:      {Attributes: []string{"host.name"}, Labels: []string{"host", "hostname", "nodename"}},
		FieldCluster:   {Attributes: []string{"k8s.cluster.name"}, Labels: []string{"cluster", "cluster_name"}},
		FieldNamespace: {Attributes: []string{"k8s.namespace.name"}, Labels: []string{"namespace"}},
		FieldCloudProvider: {
			Attributes: []string{"cloud.provider"},
		},
		FieldCloudRegion: {Attributes: []string{"cloud.region"}, Labels: []string{"region"}},
		FieldCloudZone: {
			Attributes: []string{"cloud.availability_zone"},
			Labels:     []string{"zone", "availability_zone", "topology_kubernetes_io_zone"},
		},
		FieldCloudAccount: {Attributes: []string{"cloud.account.id"}, Labels: []string{"account", "account_id"}},
	}
}

// UnmarshalYAML reads a map from field to source over the defaults.
func (t *IdentityTable) UnmarshalYAML(unmarshal func(any) error) error {
	given := map[Field]Source{}
	if err := unmarshal(&given); err != nil {
		return err
	}
	if *t == nil {
		*t = DefaultIdentity()
	}
	for f, s := range given {
		(*t)[f] = s
	}
	return nil
}

// Validate returns every unknown field and empty name at once.
func (t IdentityTable) Validate() error {
	var errs []error
	for _, f := range t.sortedFields() {
		if new(Identity).field(f) == nil {
			errs = append(errs, fmt.Errorf("identity: unknown field %q: use one of %s", f, strings.Join(fieldNames(), ", ")))
		}
		if slices.Contains(t[f].Attributes, "") || slices.Contains(t[f].Labels, "") {
			errs = append(errs, fmt.Errorf("identity.%s: an attribute or label name is empty", f))
		}
	}
	return errors.Join(errs...)
}

// Attributes are all resource attributes of the table, sorted, once each: the
// ones that become labels of metrics and of log streams.
func (t IdentityTable) Attributes() []string {
	var names []string
	for _, s := range t {
		names = append(names, s.Attributes...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// FromAttributes reads the identity from resource attributes.
func (t IdentityTable) FromAttributes(attrs []Attribute) Identity {
	return t.identify(func(name string, attribute bool) string {
		if !attribute {
			return ""
		}
		v, _ := Lookup(attrs, name)
		return v.String()
	})
}

// FromLabels reads the identity from the labels of a series or log stream.
func (t IdentityTable) FromLabels(ls labels.Labels) Identity {
	return t.identify(func(name string, attribute bool) string {
		if attribute {
			name = EscapeName(name)
		}
		return ls.Get(name)
	})
}

// identify fills every field with the first value that get finds.
func (t IdentityTable) identify(get func(name string, attribute bool) string) (id Identity) {
	for f, s := range t {
		p := id.field(f)
		if p == nil {
			continue
		}
		name := ""
		for _, n := range s.Attributes {
			if *p = get(n, true); *p != "" {
				name = n
				break
			}
		}
		for _, n := range s.Labels {
			if *p != "" {
				break
			}
			*p, name = get(n, false), n
		}
		if f == FieldWorkload && *p != "" {
			id.WorkloadKind = workloadKind(name)
		}
	}
	return id
}

// field returns where f is kept in id, nil when there is no such field.
func (id *Identity) field(f Field) *string {
	switch f {
	case FieldApplication:
		return &id.Application
	case FieldService:
		return &id.Service
	case FieldServiceNamespace:
		return &id.ServiceNamespace
	case FieldServiceInstance:
		return &id.ServiceInstance
	case FieldEnvironment:
		return &id.Environment
	case FieldWorkload:
		return &id.Workload
	case FieldPod:
		return &id.Pod
	case FieldContainer:
		return &id.Container
	case FieldNode:
		return &id.Node
	case FieldHost:
		return &id.Host
	case FieldCluster:
		return &id.Cluster
	case FieldNamespace:
		return &id.Namespace
	case FieldCloudProvider:
		return &id.CloudProvider
	case FieldCloudRegion:
		return &id.CloudRegion
	case FieldCloudZone:
		return &id.CloudZone
	case FieldCloudAccount:
		return &id.CloudAccount
	}
	return nil
}

// workloadKind is the Kubernetes kind that an attribute or label name says.
func workloadKind(name string) string {
	for _, k := range [...]struct{ part, kind string }{
		{"deployment", "Deployment"}, {"statefulset", "StatefulSet"}, {"daemonset", "DaemonSet"},
		{"cronjob", "CronJob"}, {"job", "Job"}, {"replicaset", "ReplicaSet"},
	} {
		if strings.Contains(name, k.part) {
			return k.kind
		}
	}
	return ""
}

// EscapeName writes an attribute name as a classic label name: what is not a
// letter, digit or underscore becomes an underscore, and one is put before a
// leading digit as "key_" (OpenTelemetry's compatibility rules for Prometheus).
func EscapeName(name string) string {
	var b strings.Builder
	b.Grow(len(name) + 4)
	last := rune(0)
	for i, r := range name {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
		case r >= '0' && r <= '9':
			if i == 0 {
				b.WriteString("key_")
			}
		default:
			r = '_'
		}
		if r == '_' && last == '_' {
			continue
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

func (t IdentityTable) sortedFields() []Field {
	fields := make([]Field, 0, len(t))
	for f := range t {
		fields = append(fields, f)
	}
	slices.Sort(fields)
	return fields
}

func fieldNames() []string {
	var names []string
	for f := range DefaultIdentity() {
		names = append(names, string(f))
	}
	sort.Strings(names)
	return names
}
