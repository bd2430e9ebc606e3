package syslog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/syslogreceiver"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/embed"
	"github.com/watchfire/watchfire/telemetry"
)

// Config is one listener.
type Config struct {
	// Listen is udp://host:port, tcp://host:port or tls://host:port.
	Listen string `yaml:"listen"`
	// Format is rfc5424 (the default) or rfc3164.
	Format string `yaml:"format"`
	// Location is the time zone of RFC 3164's times, which name none; empty = UTC.
	Location string `yaml:"location"`
	// OctetCounting expects each message after its length (RFC 6587, 3.4.1).
	OctetCounting bool      `yaml:"octet_counting"`
	TLS           TLSConfig `yaml:"tls"`
	// AllowAnonymous permits an address that is not loopback.
	AllowAnonymous bool `yaml:"allow_anonymous"`
	// Tenant is whose the messages are; empty = default.
	Tenant string `yaml:"tenant"`
	// Labels are added to the streams.
	Labels map[string]string `yaml:"labels"`
	// Queue is how many messages may wait to be stored; 0 = 20000.
	Queue int `yaml:"queue"`
}

// TLSConfig is for tls:// listeners.
type TLSConfig struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// ClientCAFile, when set, asks senders for a certificate that it signed.
	ClientCAFile string `yaml:"client_ca_file"`
}

const defaultQueue = 20_000

// Validate returns all problems.
func (c Config) Validate() error {
	var errs []error
	scheme, address, ok := strings.Cut(c.Listen, "://")
	if !ok || scheme != "udp" && scheme != "tcp" && scheme != "tls" {
		return fmt.Errorf("listen: %q: use udp://host:port, tcp://host:port or tls://host:port", c.Listen)
	}
	certified := scheme == "tls" && c.TLS.ClientCAFile != ""
	errs = append(errs, collector.CheckListen("listen", address, c.AllowAnonymous || certified))
	if c.Format != "" && c.Format != "rfc5424" && c.Format != "rfc3164" {
		errs = append(errs, fmt.Errorf("format: %q is unknown: use rfc5424 or rfc3164", c.Format))
	}
	if scheme == "tls" && (c.TLS.CertFile == "" || c.TLS.KeyFile == "") {
		errs = append(errs, errors.New("tls: cert_file and key_file are needed to listen on tls://"))
	}
	if scheme == "udp" && c.OctetCounting {
		errs = append(errs, errors.New("octet_counting: is for tcp:// and tls://, a datagram is one message"))
	}
	if _, err := time.LoadLocation(c.Location); err != nil {
		errs = append(errs, fmt.Errorf("location: %w", err))
	}
	if c.Queue < 0 {
		errs = append(errs, fmt.Errorf("queue: %d is negative: use 0 for %d", c.Queue, defaultQueue))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return embed.Check(embed.Options{
		Factory: syslogreceiver.NewFactory(), Settings: c.settings(),
		Logs: func(context.Context, plog.Logs) error { return nil },
	})
}

func (c Config) datagrams() bool { return strings.HasPrefix(c.Listen, "udp://") }

func (c Config) tenant() string {
	if c.Tenant == "" {
		return telemetry.DefaultTenant
	}
	return c.Tenant
}

func (c Config) queue() int {
	if c.Queue == 0 {
		return defaultQueue
	}
	return c.Queue
}

// settings are the receiver's.
func (c Config) settings() map[string]any {
	scheme, address, _ := strings.Cut(c.Listen, "://")
	out := map[string]any{"protocol": "rfc5424", "on_error": "send_quiet"}
	if c.Format != "" {
		out["protocol"] = c.Format
	}
	if c.Location != "" {
		out["location"] = c.Location
	}
	if c.OctetCounting {
		out["enable_octet_counting"] = true
	}
	input := map[string]any{"listen_address": address}
	if scheme == "udp" {
		out["udp"] = input
		return out
	}
	if scheme == "tls" {
		t := map[string]any{"cert_file": c.TLS.CertFile, "key_file": c.TLS.KeyFile}
		if c.TLS.ClientCAFile != "" {
			t["client_ca_file"] = c.TLS.ClientCAFile
		}
		input["tls"] = t
	}
	out["tcp"] = input
	return out
}
