// Package packaging carries the files with which a system starts Postern, and from which its manual is made:
// the same files go into the packages (nfpm.yaml) and into `postern service install` and `postern man`. It only
// holds them; cmd/postern fills in what differs from machine to machine. README.md is for the operator.
package packaging

import "embed"

// Files are what the program itself lays down or prints.
//
//go:embed postern.service postern-system.service postern-system postern.plist postern-task.xml postern.1.tmpl postern.toml.5.tmpl
var Files embed.FS
