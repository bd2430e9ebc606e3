// Package alerting is what people are told: rules with four levels, the state
// of their alerts over time, and the notifications about them. The parts are
// packages of their own (rules, eval, notify); this one puts them together and
// answers for them over HTTP.
package alerting
