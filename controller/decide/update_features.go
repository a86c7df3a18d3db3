package decide

import (
	"fmt"
	"math"
	"slices"

	"github.com/gregorbroker/gregor/controller/image"
	"github.com/gregorbroker/gregor/controller/records"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Kinds of feature update.
const (
	upgrade         int8 = 1
	safeDowngrade   int8 = 2
	unsafeDowngrade int8 = 3
)

// UpdateFeatures changes feature levels, all or none.
func UpdateFeatures(e *Env, req *kmsg.UpdateFeaturesRequest) (Decision, error) {
	resp := req.ResponseKind().(*kmsg.UpdateFeaturesResponse)
	d := Decision{Atomic: true, Reply: resp}
	updates := lastOfEach(req.FeatureUpdates, func(u *kmsg.UpdateFeaturesRequestFeatureUpdate) string { return u.Feature })
	proposed := func(name string) int16 {
		for _, u := range updates {
			if u.Feature == name {
				return u.MaxVersionLevel
			}
		}
		return e.finalized(name)
	}
	var features Decision
	for _, u := range updates {
		if err := e.updateFeature(&features, u, req.Version, proposed); err != nil {
			failed := UpdateFailed(err.Message)
			resp.ErrorCode, resp.ErrorMessage = failed.Code, failed.message()
			return d, nil
		}
	}
	if req.Version <= 1 {
		none := "NONE" // what Kafka says for success
		for _, u := range req.FeatureUpdates {
			r := kmsg.NewUpdateFeaturesResponseResult()
			r.Feature, r.ErrorMessage = u.Feature, &none
			resp.Results = append(resp.Results, r)
		}
	}
	d.KRaftVersion, d.ValidateOnly = features.KRaftVersion, req.ValidateOnly
	if req.ValidateOnly {
		return d, nil
	}
	if slices.ContainsFunc(updates, func(u *kmsg.UpdateFeaturesRequestFeatureUpdate) bool {
		return u.Feature == image.ELRVersionFeature && u.MaxVersionLevel > 0
	}) {
		e.pinMinISR(&d)
	}
	d.Records = append(d.Records, features.Records...)
	return d, nil
}

// UpdateFailed is the answer when one feature, maybe of several, cannot be changed.
func UpdateFailed(why string) *Error {
	return fail(kerr.InvalidUpdateVersion, "The update failed for all features since the following feature had an error: %s", why)
}

// lastOfEach keeps the last element of each name, at the place of the first.
func lastOfEach[T any](all []T, name func(*T) string) []*T {
	at := map[string]int{}
	var out []*T
	for i := range all {
		n := name(&all[i])
		if j, ok := at[n]; ok {
			out[j] = &all[i]
			continue
		}
		at[n] = len(out)
		out = append(out, &all[i])
	}
	return out
}

func invalidUpdate(u *kmsg.UpdateFeaturesRequestFeatureUpdate, format string, args ...any) *Error {
	return fail(kerr.InvalidUpdateVersion, "Invalid update version %d for feature %s. %s", u.MaxVersionLevel, u.Feature, fmt.Sprintf(format, args...))
}

func (e *Env) updateFeature(d *Decision, u *kmsg.UpdateFeaturesRequestFeatureUpdate, version int16, proposed func(string) int16) *Error {
	if version == 0 { // says only whether a downgrade is allowed, and Kafka does not look at it
		u.UpgradeType = upgrade
	}
	if u.UpgradeType < upgrade || u.UpgradeType > unsafeDowngrade {
		return invalidUpdate(u, "The controller does not support the given upgrade type.")
	}
	now, want := e.finalized(u.Feature), u.MaxVersionLevel
	if want < 0 {
		return invalidUpdate(u, "A feature version cannot be less than 0.")
	}
	if reason := e.unsupported(u.Feature, want); reason != "" {
		return invalidUpdate(u, "%s", reason)
	}
	switch {
	case want < now && u.UpgradeType == upgrade:
		return invalidUpdate(u, "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.")
	case want > now && u.UpgradeType != upgrade:
		return invalidUpdate(u, "Can't downgrade to a newer version.")
	}
	switch u.Feature {
	case image.MetadataVersionFeature:
		if err := e.checkMetadataVersion(u); err != nil {
			return err
		}
	case image.KRaftVersionFeature:
		return e.updateKRaftVersion(d, u, now)
	default:
		f, _ := image.FeatureByName(u.Feature) // known: it is supported here
		if err := f.Needs(want, proposed); err != nil {
			return invalidUpdate(u, "%v", err)
		}
	}
	d.add(&records.FeatureLevelRecord{Name: u.Feature, FeatureLevel: want}, 0)
	return nil
}

func (e *Env) checkMetadataVersion(u *kmsg.UpdateFeaturesRequestFeatureUpdate) *Error {
	now, want := e.mv(), image.MetadataVersion(u.MaxVersionLevel)
	if want >= now || !now.LosesMetadata(want) {
		return nil
	}
	why := "Refusing to perform the requested downgrade because it might delete metadata information."
	if u.UpgradeType == unsafeDowngrade {
		why = "Unsafe metadata downgrade is not supported in this version."
	}
	return fail(kerr.InvalidUpdateVersion, "Unsupported metadata.version downgrade from %d to %d. %s", now, want, why)
}

// updateKRaftVersion leaves the change to the quorum, whose own records hold
// it; the record here is only something to wait for.
func (e *Env) updateKRaftVersion(d *Decision, u *kmsg.UpdateFeaturesRequestFeatureUpdate, now int16) *Error {
	if u.UpgradeType != upgrade {
		if u.MaxVersionLevel != now {
			return invalidUpdate(u, "Can't downgrade the version of this feature.")
		}
		return nil
	}
	d.KRaftVersion = u.MaxVersionLevel
	d.add(&records.NoOpRecord{}, 0)
	return nil
}

// unsupported names a node that cannot run at a level, "" when all can.
func (e *Env) unsupported(feature string, level int16) string {
	if r := notInRange(fmt.Sprintf("Local controller %d", e.ID), image.SupportedFeatures(), feature, level); r != "" {
		return r
	}
	reason := ""
	e.Image.Cluster.EachBroker(func(b *image.Broker) bool {
		reason = notInRange(fmt.Sprintf("Broker %d", b.ID), b.Features, feature, level)
		return reason == ""
	})
	if reason != "" || !e.mv().SupportsControllerRegistration() {
		return reason
	}
	e.Image.Cluster.EachController(func(c *image.Controller) bool {
		if c.ID != e.ID {
			reason = notInRange(fmt.Sprintf("Controller %d", c.ID), c.Features, feature, level)
		}
		return reason == ""
	})
	for _, id := range e.Voters {
		if reason == "" && id != e.ID && e.Image.Cluster.Controller(id) == nil {
			reason = fmt.Sprintf("controller %d has not registered, and may not support this feature", id)
		}
	}
	return reason
}

func notInRange(who string, ranges []image.VersionRange, feature string, level int16) string {
	var r image.VersionRange
	for _, f := range ranges {
		if f.Feature == feature {
			r = f
		}
	}
	switch {
	case r.Contains(level):
		return ""
	case r.Max == 0:
		return who + " does not support this feature."
	case r.Min == r.Max:
		return fmt.Sprintf("%s only supports versions %d", who, r.Min)
	case r.Max == math.MaxInt16:
		return fmt.Sprintf("%s only supports versions %d+", who, r.Min)
	}
	return fmt.Sprintf("%s only supports versions %d-%d", who, r.Min, r.Max)
}

// pinMinISR makes min.insync.replicas the same on all brokers before eligible
// leaders are kept: their meaning depends on it.
func (e *Env) pinMinISR(d *Decision) {
	if _, ok := e.Image.Configs.Of(image.Resource{Type: image.BrokerResource})[minISRKey]; !ok {
		value := e.staticMinISR()
		d.add(&records.ConfigRecord{ResourceType: image.BrokerResource, Name: minISRKey, Value: &value}, 0)
	}
	e.Image.Configs.Each(func(r image.Resource, values map[string]string) bool {
		if _, ok := values[minISRKey]; ok && r.Type == image.BrokerResource && r.Name != "" {
			d.add(&records.ConfigRecord{ResourceType: r.Type, ResourceName: r.Name, Name: minISRKey}, 0)
		}
		return true
	})
}
