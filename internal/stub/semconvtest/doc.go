// Package semconvtest stands in for a module that only the tests of
// dependencies import and that the module proxy does not serve.
package semconvtest
