// Package eval evaluates rules. Step decides what one observation makes of one
// alert and is pure; Engine asks the queries, slot of time after slot of time,
// keeps the states in a Store so that timers survive restarts, and hands on
// what came of it: series, notifications, history.
//
// Missing data are a state of their own: a query that fails, data that are
// late and a series that is gone never clear an alert; they make it unknown.
package eval
