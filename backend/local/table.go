package local

import "github.com/postroom/postroom/backend"

type table struct {
	backend.Table

	b    *Backend
	name string
}
