//go:build tools

// Package tools names the program that this module is built for.
package tools

import _ "sigs.k8s.io/kind"
