package notify

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mailbox is an SMTP server (RFC 5321) that takes one mail after the other.
func mailbox(t *testing.T) (addr string, mails chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	mails = make(chan string, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serveMail(c, mails)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), mails
}

func serveMail(c net.Conn, mails chan<- string) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	say := func(s string) { fmt.Fprintf(c, "%s\r\n", s) }
	say("220 test")
	in := bufio.NewScanner(c)
	for in.Scan() {
		switch verb, _, _ := strings.Cut(strings.ToUpper(in.Text()), " "); verb {
		case "EHLO", "HELO", "MAIL", "RCPT", "RSET", "NOOP":
			say("250 ok")
		case "DATA":
			say("354 go on")
			var mail strings.Builder
			for in.Scan() && in.Text() != "." {
				mail.WriteString(in.Text() + "\n")
			}
			mails <- mail.String()
			say("250 stored")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what")
		}
	}
}

func TestEmail(t *testing.T) {
	addr, mails := mailbox(t)
	m, stop := manager(t, t.TempDir(), configFile(t, "global: {smtp_smarthost: '"+addr+"', smtp_from: ops@example.org, smtp_require_tls: false}\n"+
		"route:\n  receiver: mail\n"+quick+
		"receivers:\n  - name: mail\n    email_configs: [{to: oncall@example.org, send_resolved: true}]\n"))
	defer stop()
	a := firing("Disk", "critical")
	require.NoError(t, m.Put(t.Context(), "t", a))
	require.Contains(t, <-mails, "Subject: [FIRING:1]")
	require.NoError(t, m.Put(t.Context(), "t", resolved(a)))
	require.Contains(t, <-mails, "Subject: [RESOLVED]")
}
