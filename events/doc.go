// Package events stores what happened to things and what they looked like:
// events, changes (a change is an event with a before and an after), and the
// states of objects over time, of which it answers how all looked at a moment.
package events
