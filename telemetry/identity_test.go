package telemetry

import (
	"strings"
	"testing"

	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/labels"
	"gopkg.in/yaml.v3"
)

func TestIdentityIsTheSameFromAttributesAndFromTheirLabels(t *testing.T) {
	attrs := []Attribute{
		{"service.name", StringValue("cart")}, {"service.namespace", StringValue("shop")},
		{"service.instance.id", StringValue("i-1")}, {"deployment.environment.name", StringValue("prod")},
		{"k8s.statefulset.name", StringValue("cart-db")}, {"k8s.pod.name", StringValue("cart-db-0")},
		{"k8s.container.name", StringValue("db")}, {"k8s.node.name", StringValue("n1")},
		{"host.name", StringValue("h1")}, {"k8s.cluster.name", StringValue("east")},
		{"k8s.namespace.name", StringValue("shop-prod")}, {"cloud.provider", StringValue("openstack")},
		{"cloud.region", StringValue("r1")}, {"cloud.availability_zone", StringValue("z1")},
		{"cloud.account.id", IntValue(7)}, {"app.name", StringValue("web shop")},
	}
	want := Identity{
		Application: "web shop", Service: "cart", ServiceNamespace: "shop", ServiceInstance: "i-1", Environment: "prod",
		Workload: "cart-db", WorkloadKind: "StatefulSet", Pod: "cart-db-0", Container: "db", Node: "n1", Host: "h1",
		Cluster: "east", Namespace: "shop-prod", CloudProvider: "openstack", CloudRegion: "r1", CloudZone: "z1", CloudAccount: "7",
	}
	table := DefaultIdentity()
	if got := table.FromAttributes(attrs); got != want {
		t.Errorf("FromAttributes:\n got %+v\nwant %+v", got, want)
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, a := range attrs {
		b.Set(EscapeName(a.Key), a.Value.String())
	}
	if got := table.FromLabels(b.Labels()); got != want {
		t.Errorf("FromLabels:\n got %+v\nwant %+v", got, want)
	}
}

func TestIdentityFromPrometheusLabels(t *testing.T) {
	for _, tc := range []struct {
		labels labels.Labels
		want   Identity
	}{
		{labels.FromStrings("job", "api", "instance", "h:1"), Identity{Service: "api", ServiceInstance: "h:1"}},
		{labels.FromStrings("job", "kubelet", "app", "cart", "pod", "p", "namespace", "n", "cluster", "c"),
			Identity{Service: "cart", Pod: "p", Namespace: "n", Cluster: "c"}},
		{labels.FromStrings("daemonset", "agent", "node", "n1", "zone", "z"),
			Identity{Workload: "agent", WorkloadKind: "DaemonSet", Node: "n1", CloudZone: "z"}},
		{labels.FromStrings("workload", "cart"), Identity{Workload: "cart"}},
		{labels.EmptyLabels(), Identity{}},
	} {
		if got := DefaultIdentity().FromLabels(tc.labels); got != tc.want {
			t.Errorf("%s:\n got %+v\nwant %+v", tc.labels, got, tc.want)
		}
	}
}

func TestIdentityTableFromYAML(t *testing.T) {
	table := DefaultIdentity()
	err := yaml.Unmarshal([]byte("application: {attributes: [acme.product], labels: [product]}\nnode: {}\n"), &table)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Validate(); err != nil {
		t.Fatal(err)
	}
	got := table.FromLabels(labels.FromStrings("product", "shop", "node", "n1", "pod", "p"))
	if want := (Identity{Application: "shop", Pod: "p"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	table["aplication"] = Source{Attributes: []string{""}}
	err = table.Validate()
	for _, part := range []string{`unknown field "aplication"`, "use one of application", "identity.aplication: an attribute or label name is empty"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("Validate: %v lacks %q", err, part)
		}
	}
}

// The escaping must be that of the OTLP translation, or labels are not found.
func TestEscapeNameAgreesWithTheTranslator(t *testing.T) {
	namer := otlptranslator.LabelNamer{}
	for _, name := range append(DefaultIdentity().Attributes(), "9lives", "a--b", "http.response_size", "a__b") {
		want, err := namer.Build(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := EscapeName(name); got != want {
			t.Errorf("EscapeName(%q) = %q, want %q", name, got, want)
		}
	}
}
