package server

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// passwords checks passwords against bcrypt hashes, which costs some 50 ms of a
// core: two at once at most, and outcomes are remembered.
type passwords struct {
	hashes map[string][]byte
	nobody []byte // compared for unknown users, so that time does not tell who exists
	slots  chan struct{}
	key    [32]byte // of the cache, so that it holds nothing to guess passwords from
	cache  *ttlCache[[32]byte, bool]
}

func newPasswords(users map[string]UserConfig) *passwords {
	p := &passwords{hashes: map[string][]byte{}, slots: make(chan struct{}, 2), cache: newTTLCache[[32]byte, bool](1_000, 10*time.Minute)}
	_, _ = rand.Read(p.key[:]) // never fails (crypto/rand)
	for name, u := range users {
		p.hashes[name] = []byte(u.PasswordHash)
		if p.nobody == nil {
			p.nobody = p.hashes[name]
		}
	}
	return p
}

func (p *passwords) check(ctx context.Context, name, password string) error {
	if len(p.hashes) == 0 {
		return errWrongPassword
	}
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write([]byte(name))
	mac.Write([]byte{0})
	mac.Write([]byte(password))
	key := [32]byte(mac.Sum(nil))
	now := time.Now()
	good, ok := p.cache.get(key, now)
	if !ok {
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		good = p.compare(name, password)
		<-p.slots
		p.cache.put(key, good, now)
	}
	if !good {
		return errWrongPassword
	}
	return nil
}

func (p *passwords) compare(name, password string) bool {
	hash, known := p.hashes[name]
	if !known {
		hash = p.nobody
	}
	return bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && known
}
