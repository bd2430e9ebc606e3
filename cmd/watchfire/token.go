package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage/records"
)

// Tokens are documents of no tenant: a token names its own.
const (
	tokenTenant = "_watchfire"
	tokenKind   = "token"
)

// recordsTokens keeps the server's tokens in the records.
type recordsTokens struct{ db *records.DB }

func tokenKey(id string) records.Key {
	return records.Key{Tenant: tokenTenant, Kind: tokenKind, ID: id}
}

// Token implements server.TokenStore.
func (s recordsTokens) Token(ctx context.Context, id string) (t server.Token, err error) {
	doc, err := s.db.Get(ctx, tokenKey(id))
	if errors.Is(err, records.ErrNotFound) {
		return t, server.ErrNoToken
	}
	if err != nil {
		return t, err
	}
	return t, doc.Decode(&t)
}

// TokenUsed implements server.TokenStore.
func (s recordsTokens) TokenUsed(ctx context.Context, id string, at time.Time) error {
	return s.db.Update(ctx, func(tx *records.Tx) error {
		doc, err := tx.Get(ctx, tokenKey(id))
		if err != nil {
			return err
		}
		var t server.Token
		if err := doc.Decode(&t); err != nil {
			return err
		}
		t.LastUsed = at
		_, err = tx.Put(ctx, doc.Key, t, doc.Version)
		return err
	})
}

// HasTokens implements server.TokenStore.
func (s recordsTokens) HasTokens(ctx context.Context) (bool, error) {
	docs, err := s.db.List(ctx, records.Query{Tenant: tokenTenant, Kind: tokenKind, Limit: 1})
	return len(docs) > 0, err
}

func newTokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Create, list and revoke bearer tokens"}
	cmd.AddCommand(newTokenCreateCommand(), newTokenListCommand(), newTokenRevokeCommand())
	return cmd
}

func newTokenCreateCommand() *cobra.Command {
	var (
		f        flags
		tenant   string
		role     string
		lifetime time.Duration
	)
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a token and print it, once",
		Long:  "Create a token for whoever NAME says. Only its hash is kept: the token is printed now and never again.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := server.ParseRole(role)
			if err != nil {
				return fmt.Errorf("--role: %w", err)
			}
			secret, t, err := server.NewToken(args[0], tenant, r, lifetime, time.Now())
			if err != nil {
				return err
			}
			return withRecords(cmd.Context(), f, func(db *records.DB) error {
				if _, err := db.Put(cmd.Context(), tokenKey(t.ID), t, 0); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), secret)
				return err
			})
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&tenant, "tenant", "", "the only tenant that the token is for (default any)")
	cmd.Flags().StringVar(&role, "role", "", "what it may: ingest, read, write or admin")
	cmd.Flags().DurationVar(&lifetime, "expires-in", 0, "how long it is good, such as 720h (default for ever)")
	_ = cmd.MarkFlagRequired("role")
	return cmd
}

func newTokenListCommand() *cobra.Command {
	var f flags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tokens, without their secrets",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRecords(cmd.Context(), f, func(db *records.DB) error {
				docs, err := db.List(cmd.Context(), records.Query{Tenant: tokenTenant, Kind: tokenKind})
				if err != nil {
					return err
				}
				tokens := make([]server.Token, len(docs))
				for i, d := range docs {
					if err := d.Decode(&tokens[i]); err != nil {
						return err
					}
					tokens[i].Hash = ""
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(tokens)
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tNAME\tROLE\tTENANT\tCREATED\tEXPIRES\tLAST USED")
				for _, t := range tokens {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, t.Role, orDash(t.Tenant), when(t.Created), when(t.Expires), when(t.LastUsed))
				}
				return w.Flush()
			})
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newTokenRevokeCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "revoke ID",
		Short: "Revoke a token",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRecords(cmd.Context(), f, func(db *records.DB) error {
				err := db.Delete(cmd.Context(), tokenKey(args[0]), records.Any)
				if errors.Is(err, records.ErrNotFound) {
					return fmt.Errorf("there is no token %q: `watchfire token list` shows them", args[0])
				}
				return err
			})
		},
	}
	f.register(cmd)
	return cmd
}

// withRecords opens the records that the configuration names. It works beside
// a running serve.
func withRecords(ctx context.Context, f flags, fn func(*records.DB) error) error {
	c, err := loadConfig(f, os.LookupEnv)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("cannot make the data folder (option data): %w", err)
	}
	db, err := records.Open(ctx, c.Storage.Records, newLogger(c.Log))
	if err != nil {
		return err
	}
	return errors.Join(fn(db), db.Close())
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
