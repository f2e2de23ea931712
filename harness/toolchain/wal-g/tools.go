//go:build tools

// Package tools names the program that this module is built for.
package tools

import _ "github.com/wal-g/wal-g/main/pg"
