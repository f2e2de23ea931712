//go:build tools

package tools

import _ "github.com/zalando/postgres-operator/cmd"
