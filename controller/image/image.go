package image

import "github.com/gregorbroker/gregor/protocol/ids"

// Provenance says which prefix of the metadata log an image stands for.
type Provenance struct {
	// Last is the offset of the last record contained and its leader epoch.
	// Offset -1 is the empty image.
	Last ids.OffsetAndEpoch
	// AppendTime is when the leader appended that record, in ms since 1970.
	AppendTime int64
}

// Image is the whole metadata at one offset. No field is ever nil in an image
// made by Empty or Delta.Apply.
type Image struct {
	Provenance   Provenance
	Features     *Features
	Cluster      *Cluster
	Topics       *Topics
	Configs      *Configs
	ClientQuotas *ClientQuotas
	ProducerIDs  ProducerIDs
	ACLs         *ACLs
	Scram        *Scram
	Tokens       *Tokens
}

// Empty is the image before the first record.
func Empty() *Image {
	return &Image{
		Provenance:   Provenance{Last: ids.OffsetAndEpoch{Offset: ids.NoOffset, Epoch: ids.NoEpoch}},
		Features:     &Features{},
		Cluster:      &Cluster{},
		Topics:       &Topics{},
		Configs:      &Configs{},
		ClientQuotas: &ClientQuotas{},
		ACLs:         &ACLs{},
		Scram:        &Scram{},
		Tokens:       &Tokens{},
	}
}

// IsEmpty tells whether no record but of no effect was ever replayed.
func (i *Image) IsEmpty() bool {
	return i.Features.IsEmpty() && i.Cluster.IsEmpty() && i.Topics.Len() == 0 && i.Configs.Len() == 0 &&
		i.ClientQuotas.Len() == 0 && i.ProducerIDs == ProducerIDs{} && i.ACLs.Len() == 0 && i.Scram.Len() == 0 && i.Tokens.Len() == 0
}

// Publisher is told of every step of the metadata, in order, from one
// goroutine. d.Base() is the image it was told last (the empty one at first).
// It must not keep d beyond the call; img it may keep for ever.
type Publisher func(d *Delta, img *Image)
