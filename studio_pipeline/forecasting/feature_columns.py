"""Which columns of the contract features are made of, and how features call them."""

from __future__ import annotations

RATES = {
    "retention_rate": "retention",
    "class_attendance_rate": "attendance",
    "staff_utilization_rate": "staff_utilization",
    "upsell_rate": "upsell",
}
AMOUNTS = {
    "total_revenue": "revenue",
    "total_members": "members",
    "avg_ticket_price": "ticket",
    "new_members": "new_members",
    "churned_members": "churned_members",
    "total_classes_held": "classes",
    "total_class_attendance": "attendances",
}
PARTS = ("membership", "class_pack", "retail", "upsell", "other")
