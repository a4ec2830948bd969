"""The schema types that the CAVE services know, as data.

Names, fields and which of them are required follow emannotationschemas 5.26.3, so that a
table made here can be made on a real server too.
"""

from __future__ import annotations

from connectome.offline.annotations.fields import (
    POINT_PARTS,
    Field,
    Kind,
    SchemaType,
    bound,
    derived,
    flag,
    identifier,
    maybe,
    number,
    point,
    reference,
    schema,
    text,
    whole,
)

__all__ = ["SCHEMA_TYPES"]


def _numbers(*names: str) -> tuple[Field, ...]:
    return tuple(number(name) for name in names)


_PAIR = (bound("pre_pt"), bound("post_pt"))
_SYNAPSE = (*_PAIR, point("ctr_pt"), maybe(number("size")))
_FLY_SYNAPSE = (*_PAIR, maybe(number("connection_score")), maybe(number("cleft_score")))
_TRANSMITTERS = tuple(maybe(number(name)) for name in ("gaba", "ach", "glut", "oct", "ser", "da"))
_TAG = (bound(), text("tag"))
_TAG_TWICE = (*_TAG, text("tag2"))
_TWO_POINTS = (*_TAG_TWICE, bound("pt2"))
_USER = whole("user_id")
_VALID_FOR = (bound(), identifier("valid_id"))
_STATUS = ("non", "clean", "extended")
_CELL_TYPE = (text("classification_system"), text("cell_type"))
_FLY_CELL = (bound(), text("cell_type"), text("hemisphere", "L", "R", "M", "U", default="U"))
_BOUTONS = ("pancake", "basmati", "potato")
_INTERNEURONS = ("sst", "vertical", "vip", "ivy", "clutch", "chandelier")
_UNIT = (whole("session"), whole("scan_idx"), whole("unit_id"))
_TUNING = _numbers("pref_ori", "pref_dir", "gOSI", "gDSI", "cc_abs")
_TWIN = _numbers("cc_max", "cc_norm", "OSI", "DSI", "readout_loc_x", "readout_loc_y")
_FIT = (maybe(number("residual")), maybe(number("score")))
_MATCH = (
    identifier("query_root_id"),
    text("match_id"),
    number("score"),
    maybe(flag("validation"), default=False),
)

_PROOFREADING = (
    schema("bound_tag", "BoundTagAnnotation", *_TAG),
    schema("bound_tag_user", "BoundTagAnnotationUser", *_TAG, _USER),
    schema("bound_double_tag", "BoundDoubleTagAnnotation", *_TAG_TWICE),
    schema("bound_double_tag_user", "BoundDoubleTagAnnotationUser", *_TAG_TWICE, maybe(_USER)),
    schema("bound_2tag", "Bound2TagAnnotation", *_TWO_POINTS),
    schema("bound_2tag_user", "Bound2TagAnnotationUser", *_TWO_POINTS, _USER),
    schema("bound_tag_bool", "BoundBoolAnnotation", bound(), flag("tag")),
    schema("bound_tag_bool_valid", "BoundBoolWithValid", *_VALID_FOR, flag("tag")),
    schema("bound_tag_valid", "BoundTagWithValid", *_VALID_FOR, text("tag")),
    schema(
        "pt_bool_valid",
        "SpatialPointBoolWithValid",
        point(),
        flag("tag"),
        identifier("valid_id"),
    ),
    schema("braincircuits_annotation_user", "BrainCircuitsBoundTagAnnotationUser", *_TAG, _USER),
    schema("proofread_status", "ProofreadStatus", *_VALID_FOR, text("status", *_STATUS)),
    schema(
        "compartment_proofread_status",
        "CompartmentProofreadStatus",
        *_VALID_FOR,
        text("status_dendrite", *_STATUS),
        text("status_axon", *_STATUS),
    ),
    schema(
        "compartment_proofread_status_strategy",
        "CompartmentProofreadStatusStrategy",
        *_VALID_FOR,
        flag("status_dendrite"),
        flag("status_axon"),
        text("strategy_dendrite"),
        text("strategy_axon"),
    ),
    schema(
        "proofreading_boolstatus_user",
        "ProofreadingBoolStatusUser",
        *_VALID_FOR,
        flag("proofread"),
        _USER,
    ),
    schema("representative_point", "RepresentativePoint", bound()),
)

_SYNAPSES = (
    schema("synapse", "SynapseSchema", *_SYNAPSE),
    schema("nocleft_synapse", "NoCleftSynapse", *_PAIR, maybe(number("score"))),
    schema("nocenter_synapse", "NoCenterSynapse", *_PAIR, maybe(number("size"))),
    schema("fly_synapse", "BuhmannSynapseSchema", *_FLY_SYNAPSE),
    schema(
        "fly_nt_synapse",
        "BuhmannEcksteinSynapseSchema",
        *_FLY_SYNAPSE,
        *_TRANSMITTERS,
        maybe(flag("valid_nt")),
    ),
    schema("plastic_synapse", "PlasticSynapse", *_SYNAPSE, whole("plasticity", 0, 1, 2, 3, 4)),
    schema("reference_synapse_valid", "ValidSynapse", reference(), flag("is_valid")),
    schema("bouton_shape", "BoutonShape", reference(), text("shape", *_BOUTONS)),
    schema(
        "presynaptic_bouton_type",
        "PresynapticBoutonType",
        reference(),
        text("bouton_type", *_BOUTONS, *_INTERNEURONS),
    ),
    schema(
        "postsynaptic_compartment",
        "PostsynapticCompartment",
        reference(),
        text("compartment", "soma", "dendrite", "axon"),
        maybe(flag("on_spine")),
        maybe(text("dendrite_class", "basal", "apical")),
    ),
    schema(
        "spine_with_info",
        "SpineWithInfo",
        bound(),
        maybe(number("volume")),
        maybe(whole("n_inputs")),
    ),
    schema(
        "glia_contact",
        "GliaContact",
        bound("glia_pt"),
        bound("object_pt"),
        maybe(number("size")),
    ),
    schema(
        "contact",
        "Contact",
        maybe(whole("size")),
        bound("sidea_pt"),
        bound("sideb_pt"),
        maybe(point("ctr_pt")),
    ),
)

_CELLS = (
    schema("cell_type_local", "CellTypeLocal", *_CELL_TYPE, bound()),
    schema("cell_type_reference", "CellTypeReference", *_CELL_TYPE, reference()),
    schema("cell_type_reference_user", "CellTypeReferenceUser", *_CELL_TYPE, reference(), _USER),
    schema("extended_classical_cell_type", "ExtendedClassicalCellType", bound(), text("cell_type")),
    schema("fly_cell_type", "FlyCellType", *_FLY_CELL),
    schema(
        "fly_cell_type_ext",
        "FlyCellTypeExt",
        *_FLY_CELL,
        maybe(text("driver_line")),
        maybe(text("synonym")),
    ),
    schema("fly_neuropil", "FlyNeuropil", reference(), text("neuropil")),
    schema(
        "nucleus_detection",
        "NucleusDetection",
        bound(),
        maybe(number("volume")),
        maybe(point("bb_start")),
        maybe(point("bb_end")),
    ),
    schema("cell_match", "CellMatch", bound(), *_MATCH),
    schema("cell_match_reference", "CellMatchReference", reference(), *_MATCH),
    schema(
        "cell_similarity",
        "CellSimilarity",
        bound(),
        bound("match_pt"),
        identifier("query_root_id"),
        identifier("match_root_id"),
        number("score"),
    ),
)

_FUNCTION = (
    schema("microns_func_coreg", "FunctionalCoregistration", bound(), whole("func_id")),
    schema("microns_func_unit_coreg", "FunctionalUnitCoregistration", bound(), *_UNIT),
    schema(
        "v1dd_func_unit_coreg",
        "V1DDFunctionalUnitCoregistration",
        bound(),
        whole("column"),
        whole("volume"),
        maybe(whole("plane")),
        whole("roi"),
        *_FIT,
    ),
    schema(
        "func_unit_ext_coreg",
        "FunctionalUnitCoregistrationExtended",
        reference(),
        *_UNIT,
        maybe(whole("field")),
        *_FIT,
    ),
    schema("func_properties_bcm", "FunctionalPropertiesBCM", reference(), *_UNIT, *_TUNING),
    schema(
        "digital_twin_properties",
        "DigitalTwinPropertiesBCM",
        reference(),
        *_UNIT,
        *_TUNING,
        *_TWIN,
    ),
)

_REFERENCES = (
    schema("simple_reference", "ReferenceAnnotation", reference()),
    schema("reference_tag", "ReferenceTagAnnotation", reference(), text("tag")),
    schema("reference_tag_float", "ReferenceTagFloat", reference(), text("tag"), number("value")),
    schema(
        "reference_tag_with_confidence",
        "ReferenceTagWithConfidence",
        reference(),
        number("confidence"),
    ),
    schema("reference_integer", "ReferenceInteger", reference(), whole("value")),
    schema("reference_point", "FlatSegmentationReferenceSinglePoint", reference(), bound()),
    schema("reference_simple_group", "SimpleGroup", reference(), whole("group_id")),
    schema("reference_simple_group_indexed", "SimpleGroupIndexed", reference(), whole("group_id")),
)

_DERIVED = (
    schema("derived_spatial_point", "DerivedSpatialPoint", *POINT_PARTS[Kind.DERIVED]),
    schema("derived_tag", "DerivedTag", derived(), text("tag")),
    schema("derived_numeric_value", "DerivedNumeric", derived(), maybe(number("value"))),
)

SCHEMA_TYPES: dict[str, SchemaType] = {
    entry.name: entry
    for group in (_PROOFREADING, _SYNAPSES, _CELLS, _FUNCTION, _REFERENCES, _DERIVED)
    for entry in group
}
"""Every schema type by its name."""
