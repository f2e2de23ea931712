//go:build tools

// Package tools names the program that this module is built for.
package tools

import _ "go.etcd.io/etcd/server/v3"
