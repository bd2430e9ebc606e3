// Package syslog receives syslog, RFC 3164 and RFC 5424, over UDP, TCP and TLS,
// by OpenTelemetry's receiver. A sender of syslog learns nothing about what
// becomes of its messages, so they wait in a bounded queue and are written in
// batches, again and again until they are stored. When the queue is full a TCP
// sender is slowed down; what comes over UDP is lost and counted.
package syslog
