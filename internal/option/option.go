// Package option fills in and checks the options of other packages.
package option

import "fmt"

// Default gives an option its default where it is zero.
func Default[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Check returns an error if an option is out of its bounds. It names the package, the
// option and the bounds.
func Check[T ~int | ~int64](pkg, name string, v, low, high T) error {
	if v < low || v > high {
		return fmt.Errorf("%s: option %s is %v, must be %v to %v", pkg, name, v, low, high)
	}
	return nil
}
