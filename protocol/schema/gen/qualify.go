package main

import (
	"strings"

	"github.com/gregorbroker/gregor/protocol/schema"
)

// qualify puts the record's name before the names of structs that several
// records use for structs of their own: all of them share one Go package.
func qualify(messages []schema.Message) {
	users := map[string]map[string]bool{}
	for i := range messages {
		eachStruct(messages[i].Fields, func(f *schema.Field) {
			if users[f.TypeName] == nil {
				users[f.TypeName] = map[string]bool{}
			}
			users[f.TypeName][messages[i].Name] = true
		})
	}
	for i := range messages {
		prefix := strings.TrimSuffix(messages[i].Name, "Value")
		eachStruct(messages[i].Fields, func(f *schema.Field) {
			if len(users[f.TypeName]) > 1 {
				f.TypeName = prefix + f.TypeName
			}
		})
	}
}

// eachStruct visits the fields that are structs, at every depth.
func eachStruct(fields []schema.Field, visit func(*schema.Field)) {
	for i := range fields {
		if fields[i].Base == "struct" {
			eachStruct(fields[i].Fields, visit)
			visit(&fields[i])
		}
	}
}
