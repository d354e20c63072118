"""The names in the Graph API: page fields, webhook fields of Facebook Pages, permissions and versions.

The page fields and the webhook fields differ: the page field `emails` corresponds to the webhook field `email`, and
`about` and `link` have no webhook field. Both lists are grouped by topic.
"""


def _split_words(*groups: str) -> frozenset[str]:
    return frozenset(word for group in groups for word in group.split())


VERSIONS = ("v21.0", "v22.0", "v23.0", "v24.0", "v25.0", "v26.0")
"""The API versions that answer, oldest first. The oldest one also answers calls to expired versions."""

PERMISSIONS = _split_words(
    "public_profile email business_management",
    "pages_show_list pages_read_engagement pages_manage_metadata pages_messaging",
    "pages_read_user_content pages_manage_posts pages_manage_engagement",
)

PAGE_FIELDS = _split_words(
    # profile
    "id name username link category category_list about bio description description_html general_info phone website",
    "emails hours location single_line_address contact_address press_contact whatsapp_number privacy_info_url",
    "impressum name_with_location_descriptor store_location_descriptor global_brand_page_name display_subtext",
    "place_type cover company_overview mission founded start_info products awards price_range payment_options parking",
    "public_transit attire culinary_team general_manager restaurant_services restaurant_specialties food_styles",
    "pickup_options delivery_and_pickup_option_info differently_open_offerings priority_hours is_always_open",
    "is_permanently_closed temporary_status voip_info built features mpg pharma_safety_info schedule season",
    "network keywords",
    # people, bands and films
    "personal_info personal_interests affiliation birthday hometown current_location members artists_we_like",
    "band_interests band_members booking_agent influences record_label genre directed_by produced_by screenplay_by",
    "written_by starring studio plot_outline release_date",
    # counters
    "fan_count followers_count new_like_count talking_about_count were_here_count checkins overall_star_rating",
    "rating_count engagement country_page_likes unread_message_count unread_notif_count unseen_message_count",
    "displayed_message_response_time breaking_news_usage copyright_attribution_insights",
    # kind of page and its features
    "is_published is_verified verification_status is_unclaimed is_owned is_chain is_community_page is_calling_eligible",
    "is_eligible_for_branded_content is_eligible_for_disable_connect_ig_btn_for_non_page_admin_am_web",
    "is_messenger_bot_get_started_enabled is_messenger_platform_bot is_webhooks_subscribed can_checkin can_post",
    "has_added_app has_lead_access has_transitioned_to_new_page_experience has_whatsapp_business_number",
    "has_whatsapp_number does_viewer_have_page_permission_link_ig offer_eligible promotion_eligible",
    "promotion_ineligible_reason supports_donate_button_in_live_video messaging_feature_status mini_shop_storefront",
    # owners and connected accounts
    "access_token page_token app_id business owner_business parent_page best_page featured_video recipient",
    "connected_instagram_account connected_page_backed_instagram_account instagram_business_account",
    "page_backed_threads_account_id global_brand_root_id store_code store_number merchant_id merchant_review_status",
    "copyright_whitelisted_ig_partners preferred_audience user_access_expire_time",
    # advertising and messaging
    "ad_campaign available_promo_offer_ids leadgen_tos_accepted leadgen_tos_acceptance_time leadgen_tos_accepting_user",
    "messenger_ads_default_icebreakers messenger_ads_default_quick_replies messenger_ads_quick_replies_type",
)

WEBHOOK_FIELDS = _split_words(
    # profile
    "name category picture description website phone email location hours bio general_info company_overview founded",
    "mission products price_range payment_options parking public_transit attire awards culinary_team general_manager",
    "affiliation birthday hometown current_location members personal_info personal_interests page_about_story",
    "page_change_proposal page_upcoming_change",
    # activity on the page
    "feed mention ratings checkins follow videos live_videos leadgen leadgen_fat leadgen_update product_review",
    "merchant_review group_feed conversations inbox_labels story_share story_poll_response comment_poll_response",
    "video_text_question_responses publisher_subscriptions local_delivery registration user_action",
    "feature_access_list business_integrity invalid_topic_placeholder",
    # messages
    "messages message_context message_deliveries message_echoes message_edits message_mention message_reactions",
    "message_reads message_template_status_update messaging_account_linking messaging_appointments",
    "messaging_checkout_updates messaging_customer_information messaging_direct_sends",
    "messaging_fblogin_account_linking messaging_feedback messaging_game_plays messaging_handovers",
    "messaging_in_thread_lead_form_submit messaging_integrity messaging_optins messaging_optouts messaging_payments",
    "messaging_policy_enforcement messaging_postbacks messaging_pre_checkouts messaging_referrals standby",
    "response_feedback send_cart agent_messages agent_questions",
    # marketing messages, calls and payments
    "marketing_message_clicks marketing_message_deliveries marketing_message_delivery_failed marketing_message_echoes",
    "marketing_message_reads marketing_messages_subscriber_upload_status calls call_permission_reply",
    "call_settings_update payment_request_update mcom_invoice_change invoice_access_bank_slip_events",
    "invoice_access_invoice_change invoice_access_invoice_draft_change invoice_access_onboarding_status_active",
)

MESSAGE_FIELDS = frozenset(name for name in WEBHOOK_FIELDS if name.startswith(("message", "messaging"))) | {"standby"}
"""The webhook fields that also require the permission pages_messaging."""


def resolve_version(requested: str) -> str:
    """Return the version that answers a call to the version `requested`, such as v25.0.

    For an expired version, this is the oldest version in `VERSIONS`. Raises ValueError for a version that never
    existed.
    """
    if requested in VERSIONS:
        return requested
    number = float(requested.removeprefix("v"))
    if not 1 <= number < float(VERSIONS[0][1:]):
        raise ValueError(requested)
    return VERSIONS[0]
